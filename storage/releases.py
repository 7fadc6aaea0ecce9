"""Which version is champion: an append-only table of promotions, rejections, rollbacks, and what came of them.

Changing this table is the only thing that promotion and rollback do. The champion is not stored anywhere: it follows
from replaying the log, so the table can never contradict itself. Whoever deploys a champion adds what came of it: that
it answered requests, or that it did not load.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal
from uuid import uuid4

import polars as pl
from deltalake.exceptions import CommitFailedError

from storage.commit import Commit, write_file
from storage.tables import has_table, open_table, scan_table

Action = Literal["promote", "reject", "rollback", "serve", "fail"]

LOG_SCHEMA: dict[str, pl.DataType] = {
    "at": pl.Datetime("ms", "UTC"),
    "action": pl.String(),
    "version": pl.String(),
    "previous": pl.String(),
    "reason": pl.String(),
    "evaluation": pl.String(),
}
"""One row per decision, and per first time that a version answered (`serve`) or failed to load (`fail`). `version` is
the one promoted, rejected, put back or deployed; `previous` the champion that a decision was made against."""

APPEND_ATTEMPTS = 10
TICK = timedelta(milliseconds=1)


class ReleaseError(ValueError):
    """A promotion or rollback that cannot be done; nothing was recorded."""


@dataclass(frozen=True)
class Releases:
    """The release log of one lake, for versions of all families: a version's name is its own among all of them.

    Args:
        uri: Folder or object-store URI of the Delta table; it is created by the first decision.
        storage_options: Credentials and endpoint of an object store, as delta-rs names them.
        former: The table that this one goes on from, whose rows its first decision takes over; empty: none.
    """

    uri: str
    storage_options: dict[str, str] = field(default_factory=dict)
    former: str = ""

    def champion(self) -> str | None:
        """The version that should be served; None before the first promotion."""
        return self.standing().champion

    def previous(self) -> str | None:
        """The version that a rollback would put back; None where there is none."""
        return self.standing().previous

    def standing(self) -> "Standing":
        """What the log amounts to by now."""
        return standing(self.log().select("action", "version", "previous").iter_rows())

    def promote(self, version: str, reason: str, evaluation: str = "{}", against: str | None = None) -> None:
        """Makes `version` the champion. Promoting the present champion records nothing.

        Args:
            version: Name of an artifact version.
            reason: One sentence for people.
            evaluation: The numbers behind the decision, as a JSON object.
            against: The champion that the decision was made against; None: the present one. Where another
                is champion by now, because a rollback came between, the promotion counts for nothing.

        Raises:
            ReleaseError: `version` is empty.
        """
        champion = self.champion()
        if version != champion:
            self._append("promote", version, against or champion, reason, evaluation)

    def reject(self, version: str, reason: str, evaluation: str = "{}") -> None:
        """Records that `version` did not become champion."""
        self._append("reject", version, self.champion(), reason, evaluation)

    def rollback(self, reason: str) -> str:
        """Puts the newest earlier champion back that ever answered requests, and returns its version.

        Raises:
            ReleaseError: there is none.
        """
        now = self.standing()
        if now.previous is None:
            raise ReleaseError(f"there is no earlier champion to roll back to in {self.uri}: {_why_none(now)}")
        self._append("rollback", now.previous, now.champion, reason, "{}")
        return now.previous

    def served(self, version: str) -> None:
        """Records that `version` answers requests, once."""
        now = self.standing()
        if version not in now.served:
            self._append("serve", version, now.champion, "it was loaded, tried and answers requests", "{}")

    def failed(self, version: str, why: str) -> bool:
        """Records that the champion `version` does not load; the champion before it is champion again.

        A version that has answered requests before stays champion, for then something else is broken; neither that nor
        another version than the champion is recorded. Returns whether it was.
        """
        now = self.standing()
        fallen = version == now.champion and version not in now.served
        if fallen:
            self._append("fail", version, version, why, "{}")
        return fallen

    def log(self) -> pl.DataFrame:
        """Every decision, oldest first, in the columns of `LOG_SCHEMA`."""
        there = next((uri for uri in (self.uri, self.former) if uri and has_table(uri, self.storage_options)), None)
        if there is None:
            return pl.DataFrame(schema=LOG_SCHEMA)
        rows = scan_table(there, options=self.storage_options)
        return rows.select(pl.col(name).cast(dtype) for name, dtype in LOG_SCHEMA.items()).collect().sort(pl.all())

    def _append(self, action: Action, version: str, previous: str | None, reason: str, evaluation: str) -> None:
        if not version:
            raise ReleaseError(f"cannot {action} a version without a name: name a folder of the artifacts")
        row = (self._next_time(), action, version, previous, reason, evaluation)
        frame, options = pl.DataFrame([row], schema=LOG_SCHEMA, orient="row"), self.storage_options or None
        for attempt in range(1, APPEND_ATTEMPTS + 1):
            try:
                if not has_table(self.uri, options):
                    first = pl.concat([self.log(), frame])
                    if self._written(first).create(self.uri, options):
                        return
                self._written(frame).append(open_table(self.uri, options=options))
                return
            except CommitFailedError:
                if attempt == APPEND_ATTEMPTS:
                    raise
                time.sleep(0.05 * attempt)

    def _written(self, frame: pl.DataFrame) -> Commit:
        """A file of these rows, to be made part of the table."""
        return Commit([write_file(self.uri, f"{uuid4().hex}.parquet", frame, {}, self.storage_options or None)], frame)

    def _next_time(self) -> datetime:
        """Now, but later than every row seen: a clock that runs behind must not reorder decisions."""
        now = datetime.now(UTC)
        latest = self.log()["at"].max()
        return max(now, latest + TICK) if isinstance(latest, datetime) else now


@dataclass(frozen=True)
class Standing:
    """What the log amounts to.

    Attributes:
        champion_history: The champions that still count, oldest first, the last one in place.
        served: Versions that have answered requests.
    """

    champion_history: tuple[str, ...]
    served: frozenset[str]

    @property
    def champion(self) -> str | None:
        """The version that should be served."""
        return self.champion_history[-1] if self.champion_history else None

    @property
    def previous(self) -> str | None:
        """The newest other champion before this one that has answered requests."""
        others = self.served - {self.champion}
        return next((version for version in reversed(self.champion_history) if version in others), None)


def standing(rows: Iterable[tuple[str, str, str | None]]) -> Standing:
    """Replays the log.

    A promotion puts a version on top; a rollback takes away what lies above the version that it puts back; a champion
    that does not load is taken away, too, unless it has served before. A decision that was made against another
    champion than the one in place at its turn counts for nothing: it was made twice, or another came between.

    Args:
        rows: (action, version, previous) in order of time.
    """
    champions: list[str] = []
    served: set[str] = set()
    for action, version, previous in rows:
        top = champions[-1] if champions else None
        if action == "serve":
            served.add(version)
        elif previous != top:
            continue
        elif action == "promote" and version != top:
            champions.append(version)
        elif action == "rollback" and version in champions:
            while champions[-1] != version:
                champions.pop()
        elif action == "fail" and version == top and version not in served:
            champions.pop()
    return Standing(tuple(champions), frozenset(served))


def _why_none(now: Standing) -> str:
    match now.champion_history:
        case ():
            return "no version was ever promoted"
        case (only,):
            return f"only {only} is left"
        case _:
            return f"none of those before {now.champion} ever answered requests"
