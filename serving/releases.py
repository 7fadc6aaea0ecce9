"""Which version is champion: an append-only table of promotions, rejections and rollbacks.

Changing this table is the only thing that promotion and rollback do. The champion is not stored anywhere: it follows
from replaying the log, so the table can never contradict itself.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Literal

import polars as pl
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import CommitFailedError

Action = Literal["promote", "reject", "rollback"]

LOG_SCHEMA: dict[str, pl.DataType] = {
    "at": pl.Datetime("ms", "UTC"),
    "action": pl.String(),
    "version": pl.String(),
    "previous": pl.String(),
    "reason": pl.String(),
    "evaluation": pl.String(),
}
"""One row per decision. `version` is the one promoted, rejected or put back; `previous` the champion at that moment."""

APPEND_ATTEMPTS = 10
TICK = timedelta(milliseconds=1)


class ReleaseError(ValueError):
    """A promotion or rollback that cannot be done; nothing was recorded."""


@dataclass(frozen=True)
class Releases:
    """The release log of one profile.

    Args:
        uri: Folder or object-store URI of the Delta table; it is created by the first decision.
        storage_options: Credentials and endpoint of an object store, as delta-rs names them.
    """

    uri: str
    storage_options: dict[str, str] = field(default_factory=dict)

    def champion(self) -> str | None:
        """The version that should be served; None before the first promotion."""
        reign = self._reign()
        return reign[-1] if reign else None

    def previous(self) -> str | None:
        """The version that a rollback would put back; None where there is none."""
        reign = self._reign()
        return reign[-2] if len(reign) > 1 else None

    def promote(self, version: str, reason: str, evaluation: str = "{}") -> None:
        """Makes `version` the champion. Promoting the reigning champion records nothing.

        Args:
            version: Name of an artifact version.
            reason: One sentence for people.
            evaluation: The numbers behind the decision, as a JSON object.

        Raises:
            ReleaseError: `version` is empty.
        """
        champion = self.champion()
        if version != champion:
            self._append("promote", version, champion, reason, evaluation)

    def reject(self, version: str, reason: str, evaluation: str = "{}") -> None:
        """Records that `version` did not become champion."""
        self._append("reject", version, self.champion(), reason, evaluation)

    def rollback(self, reason: str) -> str:
        """Puts the previous champion back and returns its version.

        Raises:
            ReleaseError: there is no earlier champion.
        """
        reign = self._reign()
        if len(reign) < 2:
            raise ReleaseError(
                f"there is no earlier champion to roll back to in {self.uri}: "
                + (f"only {reign[0]} is left" if reign else "no version was ever promoted")
            )
        self._append("rollback", reign[-2], reign[-1], reason, "{}")
        return reign[-2]

    def log(self) -> pl.DataFrame:
        """Every decision, oldest first, in the columns of `LOG_SCHEMA`."""
        if not DeltaTable.is_deltatable(self.uri, self.storage_options or None):
            return pl.DataFrame(schema=LOG_SCHEMA)
        rows = pl.scan_delta(self.uri, storage_options=self.storage_options or None)
        return rows.select(pl.col(name).cast(dtype) for name, dtype in LOG_SCHEMA.items()).collect().sort(pl.all())

    def _reign(self) -> list[str]:
        return reign(self.log().select("action", "version", "previous").iter_rows())

    def _append(self, action: Action, version: str, previous: str | None, reason: str, evaluation: str) -> None:
        if not version:
            raise ReleaseError(f"cannot {action} a version without a name: name a folder of the artifacts")
        row = (self._next_time(), action, version, previous, reason, evaluation)
        frame = pl.DataFrame([row], schema=LOG_SCHEMA, orient="row").to_arrow()
        for attempt in range(1, APPEND_ATTEMPTS + 1):
            try:
                return write_deltalake(self.uri, frame, mode="append", storage_options=self.storage_options or None)
            except CommitFailedError:
                # Two writers that create the table at once: the slower one finds it there and appends.
                if attempt == APPEND_ATTEMPTS:
                    raise
                time.sleep(0.05 * attempt)

    def _next_time(self) -> datetime:
        """Now, but later than every row seen: a clock that runs behind must not reorder decisions."""
        now = datetime.now(UTC)
        latest = self.log()["at"].max()
        return max(now, latest + TICK) if isinstance(latest, datetime) else now


def reign(decisions: Iterable[tuple[str, str, str | None]]) -> list[str]:
    """The champions that still count, oldest first, the last one reigning.

    A promotion puts a version on top, a rollback takes the top away. A decision made twice by two processes at once
    counts once: the second rollback no longer finds the champion that it meant to replace.

    Args:
        decisions: (action, version, previous) in order of time.
    """
    champions: list[str] = []
    for action, version, previous in decisions:
        top = champions[-1] if champions else None
        if action == "promote" and version != top:
            champions.append(version)
        elif action == "rollback" and previous == top:
            champions.pop()
    return champions
