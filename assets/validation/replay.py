"""Quarantined rows judged again: which days that takes, and what came of them.

A replay records corrections and cleans the days concerned again, as a re-run of those days does. So replaying twice is
replaying once, and a replay that was killed is finished by the next one: the rows stay in the quarantine until they
have come in. Where a day's landing files are gone, what the tables kept of that day takes their place.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from assets.validation.corrections import record_corrections
from assets.validation.quarantine_selection import ORIGINS, Selection, selected
from models.columns import DAY, ORIGIN, REASON, SOURCE_FILE, SOURCE_ROW
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, QUARANTINE_SCHEMA, RAW_EVENTS_TABLE, RAW_ITEMS_TABLE

PLACE = (ORIGIN, DAY, SOURCE_FILE, SOURCE_ROW)


@dataclass(frozen=True)
class Plan:
    """What a replay has to do.

    Attributes:
        rows: Where the rows stand (origin, day, source_file, source_row).
        corrected: Cells that got a correction which they had not.
        landed: Origin and first and last day of runs of days that are cleaned again from their landing files.
        kept: Days of events whose landing files are gone.
    """

    rows: pl.DataFrame
    corrected: int
    landed: Sequence[tuple[str, date, date]]
    kept: Sequence[date]


def plan_replay(
    lake: Lake, selection: Selection, fixes: Mapping[str, str | None], declared: Collection[str] = ()
) -> Plan:
    """Records `fixes` for the selected rows and says which days are to be cleaned again.

    Args:
        lake: Whose rows.
        selection: Which rows.
        fixes: Column to its new text, or None to empty it.
        declared: Columns of events that the profile declares, which can be set as well.

    Raises:
        ValueError: a column cannot be set, or the landing files of a day of items are gone.
    """
    landed: list[tuple[str, date, date]] = []
    kept: list[date] = []
    places, corrected = [], 0
    for origin in [selection.origin] if selection.origin else ORIGINS:
        rows = selected(lake, selection).filter(pl.col(ORIGIN) == origin).collect()
        if rows.is_empty():
            continue
        there = {day: _landed(lake, origin, day) for day in sorted(set(rows[DAY]))}
        gone = [day for day, still in there.items() if not still]
        if gone and origin != EVENTS_TABLE:
            raise ValueError(
                f"the landing files of {origin} of {gone[0]} are gone: put them back, or leave the day out"
            )
        if fixes:
            corrected += record_corrections(lake, origin, rows, fixes, declared)
        landed += [(origin, *days) for days in _runs([day for day, still in there.items() if still])]
        kept += gone
        places.append(rows.select(*PLACE))
    nowhere = pl.DataFrame(schema=QUARANTINE_SCHEMA).select(*PLACE)
    return Plan(pl.concat([nowhere, *places]), corrected, landed, kept)


def still_there(lake: Lake, plan: Plan) -> pl.DataFrame:
    """`reason`, `rows` of those rows of a plan that are quarantined still, most frequent first."""
    rows = selected(lake, Selection()).join(plan.rows.unique().lazy(), on=PLACE, how="semi")
    counts = rows.group_by(REASON).agg(pl.len().alias("rows"))
    return counts.sort("rows", REASON, descending=[True, False]).collect()


def _landed(lake: Lake, origin: str, day: date) -> bool:
    """Whether all landing files of the day are still where they were."""
    ledger = RAW_EVENTS_TABLE if origin == EVENTS_TABLE else RAW_ITEMS_TABLE
    if not lake.exists(ledger):
        return False
    files = lake.scan(ledger).filter(pl.col(DAY) == day).select(SOURCE_FILE).collect()[SOURCE_FILE]
    return len(files) > 0 and all(Path(file).is_file() for file in files)


def _runs(days: Sequence[date]) -> list[tuple[date, date]]:
    """First and last of each run of consecutive days among `days`, which ascend."""
    starts = [day for day in days if day - timedelta(days=1) not in days]
    ends = [day for day in days if day + timedelta(days=1) not in days]
    return list(zip(starts, ends, strict=True))
