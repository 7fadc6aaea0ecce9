"""What a report is made of: the tables of a lake, or files that no lake has taken yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Protocol

import polars as pl

from assets.data_report.put_aside import PutAside
from assets.data_report.survey import largest_shares, survey
from assets.events.row_validator import known_items
from assets.items.catalogue import catalogue
from assets.items.clean import clean_items
from assets.sequences.in_memory import SequencesInMemory
from assets.sources.damage import damage_explained
from assets.sources.ledger import landing_folders
from assets.sources.source import Source, SourceError
from assets.validation.quarantine import OF_CELLS
from assets.validation.settings import QualitySettings
from models.availability import with_availability
from models.columns import ORIGIN, REASON, USER_ID
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEMS_TABLE, QUARANTINE_SCHEMA, QUARANTINE_TABLE, IdType
from storage.user_interactions import InteractionLog


class Log(InteractionLog, Protocol):
    """All users' interactions, and the actions in the order of their bits."""

    @property
    def actions(self) -> Sequence[str]: ...


@dataclass(frozen=True)
class Evidence:
    """A log and its catalogue, validated.

    Attributes:
        events: The good rows, as the table `events` has them.
        put_aside: The others.
        log: The good rows as interactions.
        items: The catalogue, one row per item.
        items_put_aside: Its rows that are no items.
        items_trimmed: Its rows that are items without a cell, such as a number that is none.
        image_folders: Where the files of the catalogue lie.
        days: The first and the last day that were asked for.
        outside: Rows that lie on none of these; 0 where nobody counted.
        rejected_share, without_time_share, items_rejected_share: As the assets `events` and `items` judge them; 0 where
            they have already.
        misread_share, items_misread_share: The same of the rows that a wrong profile may have put aside.
    """

    events: pl.LazyFrame
    put_aside: PutAside
    log: Log
    items: pl.LazyFrame
    items_put_aside: PutAside
    items_trimmed: PutAside
    image_folders: Sequence[str]
    days: tuple[date, date]
    outside: int = 0
    rejected_share: float = 0.0
    without_time_share: float = 0.0
    items_rejected_share: float = 0.0
    misread_share: float = 0.0
    items_misread_share: float = 0.0

    @classmethod
    def of_lake(cls, lake: Lake, days: tuple[date, date]) -> Evidence:
        """Of a lake whose sequences are up to date; nothing is read that is as long as the log."""
        quarantine = pl.LazyFrame(schema=QUARANTINE_SCHEMA)
        if lake.exists(QUARANTINE_TABLE):
            quarantine = lake.scan(QUARANTINE_TABLE)
        # An item whose image is too large is an item all the same.
        trimmed = pl.col(REASON).is_in(list(OF_CELLS))
        put_aside = quarantine.filter(~trimmed)
        return cls(
            events=lake.scan(EVENTS_TABLE),
            put_aside=PutAside.of(put_aside.filter(pl.col(ORIGIN) == EVENTS_TABLE)),
            log=lake.interactions(),
            items=catalogue(lake),
            items_put_aside=PutAside.of(put_aside.filter(pl.col(ORIGIN) == ITEMS_TABLE)),
            items_trimmed=PutAside.of(quarantine.filter(trimmed)),
            image_folders=landing_folders(lake, "items"),
            days=days,
        )

    @classmethod
    def of_source(
        cls, source: Source, rules: QualitySettings, id_type: IdType, first: date, last: date, scratch: Path
    ) -> Evidence:
        """Of the files of a source, which are read whole and in memory.

        Args:
            first, last: The days that are read.
            scratch: Folder for what does not fit; what is written there is deleted again.

        Raises:
            SourceError: the files cannot be read, or there is no day yet.
        """
        if last < first:
            raise SourceError(f"there is no day yet: the first one, {first}, is today or later")
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        landed = source.land("items", days)
        with damage_explained(file.path for file in landed):
            raw = source.read("items", landed, days)
            unit, names = source.timestamp_unit("items"), source.columns("items")
            cleaned = clean_items(raw, rules, id_type, days, unit, names)
        listed = cleaned.accepted
        known = known_items(listed.lazy()) if rules.reject_unknown_items else None
        found = survey(source, rules, id_type, days, scratch, known)
        items_rejected, items_misread = largest_shares(cleaned, days, rules.min_rows_judged)
        return cls(
            events=found.events.lazy(),
            put_aside=found.put_aside,
            log=SequencesInMemory.of(found.events, rules.actions, rules.request_gap),
            items=with_availability(listed.lazy()),
            items_put_aside=PutAside.of(cleaned.rejected.lazy()),
            items_trimmed=PutAside.of(cleaned.trimmed.lazy()),
            image_folders=sorted({str(Path(file.path).parent) for file in landed}),
            days=(first, last),
            outside=found.outside,
            rejected_share=found.largest_rejected_share,
            without_time_share=found.without_time_share,
            items_rejected_share=items_rejected,
            misread_share=found.largest_misread_share,
            items_misread_share=items_misread,
        )

    @property
    def somebody(self) -> str | int | None:
        """A user with an event; None where there is none."""
        users = self.events.select(USER_ID).head(1).collect()[USER_ID]
        return users[0] if len(users) else None


def days_until_now(first: date, end: date | None) -> tuple[date, date]:
    """The first and the last day of a profile; without an end they grow up to yesterday."""
    return first, (end or datetime.now(UTC).date()) - timedelta(days=1)
