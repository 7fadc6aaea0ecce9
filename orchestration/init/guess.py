"""What a log and its catalogue are, as far as they tell."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import inf
from pathlib import Path

import polars as pl

from assets.data_report.survey import Span, Survey, span, survey
from assets.sources.contract import EARLIEST
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.guess.catalogue import Catalogue, guess_catalogue
from assets.sources.guess.look import Look, look_at
from assets.sources.guess.roles import Roles, guess_roles
from assets.sources.guess.values import are_marks, share
from assets.sources.source import SourceError
from assets.validation.casts import as_id
from assets.validation.settings import QualitySettings
from models.columns import ITEM_ID, TIMESTAMP, USER_ID, VALUE
from orchestration.init.left_out import unfit_of_events
from orchestration.init.sections import events_section, one_action
from storage.schema import IdType

ORDINAL_FIRST = date(2000, 1, 1)

MOST_STRANGE = 0.01
"""Share of events whose item the catalogue lacks, up to which these are put aside."""


@dataclass(frozen=True)
class Facts:
    """Numbers of a log.

    Attributes:
        rows, users, items: How many there are.
        median: Half of the users have so many events or fewer.
        repeated_share: Share of events with an item that the user had before.
        tied_share: Share of events at the moment of another one of the user.
        sorted_share: Share of events that follow one of the user whose item comes before theirs, by number or alphabet.
        below_zero, low: Events with a value below 0; of marks with one in the lower half of those there are.
    """

    rows: int
    users: int
    items: int
    median: int
    repeated_share: float
    tied_share: float
    sorted_share: float
    below_zero: int
    low: int

    @classmethod
    def of(cls, found: Survey, marks: bool) -> Facts:
        values = found.events[VALUE].drop_nulls()
        middle = (float(values.min() or 0) + float(values.max() or 0)) / 2 if marks else -inf  # type: ignore[arg-type]
        return cls(
            rows=found.rows,
            users=found.users,
            items=found.items,
            median=int(found.lengths.quantile(0.5, "higher") or 0),
            repeated_share=found.repeated_share,
            tied_share=found.tied_share,
            sorted_share=_sorted_share(found.events),
            below_zero=int((values < 0).sum()),
            low=int((values < middle).sum()),
        )


@dataclass(frozen=True)
class Guess:
    """All that was found.

    Attributes:
        log: The file of events, and
        roles: its columns;
        listing: the catalogue, where one was given, and
        catalogue: its columns.
        days: The days of the log.
        facts: What is in it.
        id_type: Of users and items.
        unlisted_share: Share of events whose item the catalogue lacks.
        actions: All actions, the most frequent first; one where no column tells.
    """

    log: Look
    roles: Roles
    listing: Look | None
    catalogue: Catalogue | None
    days: Span
    facts: Facts
    id_type: IdType
    unlisted_share: float
    actions: tuple[str, ...]

    @property
    def ordinal(self) -> bool:
        """Whether the log has an order alone."""
        return self.roles.times is None


def guess(log_path: Path, catalogue_path: Path | None) -> Guess:
    """Looks at the files.

    Raises:
        SourceError: they cannot be read, or nothing can be recommended from them; the sentence says why.
    """
    log = look_at(log_path)
    listing = look_at(catalogue_path) if catalogue_path else None
    roles = guess_roles(log, listing)
    actions = roles.actions or (one_action(roles),)
    first = EARLIEST.date() if roles.times else ORDINAL_FIRST
    days = span(_source(log, roles, first), first, ordinal=roles.times is None)
    if days is None:
        raise SourceError(
            f"no row of {log_path} has a time from {EARLIEST.year} on: give a column of times, or leave it out"
        )
    found = _survey(_source(log, roles, days.first), actions, days)
    if left_out := unfit_of_events(found, events_section(log, roles)):
        roles = roles.without(left_out)
        found = _survey(_source(log, roles, days.first), actions, days)
    _require_worth(log_path, found)
    ids = found.events[ITEM_ID].unique()
    catalogue = guess_catalogue(listing, ids, ordinal=roles.times is None) if listing else None
    unlisted = _unlisted(listing, catalogue, found) if listing and catalogue else 0.0
    id_type, facts = _id_type(found, listing, catalogue), Facts.of(found, _has_marks(log, roles))
    return Guess(log, roles, listing, catalogue, days, facts, id_type, unlisted, actions)


def _source(log: Look, roles: Roles, first: date) -> Files:
    settings = {"kind": "files", "events": events_section(log, roles)}
    return Files(FilesSettings.model_validate(settings), first)


def _survey(source: Files, actions: Sequence[str], days: Span) -> Survey:
    every = [days.first + timedelta(days=n) for n in range((days.last - days.first).days + 1)]
    rules = QualitySettings(actions=tuple(actions))
    with tempfile.TemporaryDirectory(prefix="genrec-init-") as scratch:
        return survey(source, rules, "string", every, Path(scratch))


def _has_marks(log: Look, roles: Roles) -> bool:
    return roles.value is not None and are_marks(log.texts[roles.value])


def _sorted_share(events: pl.DataFrame) -> float:
    """Of a user's events in their order, how many have an item behind that of the one before; about half by chance."""
    numbers = events.select(as_id(ITEM_ID, pl.String(), "int64")).to_series()
    items = events[ITEM_ID] if numbers.null_count() else numbers
    rows = events.select(USER_ID, TIMESTAMP, items.alias(ITEM_ID)).sort(USER_ID, TIMESTAMP, maintain_order=True)
    before = rows.select(pl.all().shift())
    same = rows[USER_ID] == before[USER_ID]
    return share((rows[ITEM_ID] >= before[ITEM_ID]).filter(same.fill_null(False)))


def _require_worth(path: Path, found: Survey) -> None:
    """Raises SourceError where nobody could learn from what is left."""
    if found.events.is_empty():
        raise SourceError(
            f"no row of {path} is an event ({found.put_aside.told()}): write a profile by hand, as "
            "docs/your-own-data.md says"
        )
    if found.items < 2:
        raise SourceError(f"all events of {path} are of one item: there is nothing to choose from")
    if found.users == found.events.height:
        raise SourceError(
            f"every user of {path} has a single event: without histories there is nothing to learn from; is there "
            "another column that names who it was?"
        )


def _unlisted(listing: Look, catalogue: Catalogue, found: Survey) -> float:
    column = catalogue.columns[ITEM_ID]
    listed = listing.raw.select(as_id(column, listing.raw.schema[column], "string")).to_series().drop_nulls()
    return 1 - share(found.events[ITEM_ID].is_in(listed.unique().implode()))


def _id_type(found: Survey, listing: Look | None, catalogue: Catalogue | None) -> IdType:
    """int64 where every id of log and catalogue is such a number, and is written as one."""
    columns = [found.events[USER_ID], found.events[ITEM_ID]]
    if listing and catalogue:
        column = catalogue.columns[ITEM_ID]
        columns.append(listing.raw.select(as_id(column, listing.raw.schema[column], "string")).to_series())
    numbers = (
        ids.drop_nulls().to_frame("x").select(as_id("x", pl.String(), "int64").is_not_null().all()).item()
        for ids in columns
    )
    return "int64" if all(numbers) else "string"
