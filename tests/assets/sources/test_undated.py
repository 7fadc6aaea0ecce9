"""A row whose own day cannot be read counts once, on the day of the run that first met it."""

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.decisions import apply_decisions
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.undated import without_put_aside
from assets.validation.corrections import record_corrections
from assets.validation.quarantine import Cleaned
from assets.validation.settings import QualitySettings
from storage.lake import Lake
from storage.schema import QUARANTINE_SCHEMA, QUARANTINE_TABLE, events_schema

FIRST = date(2026, 1, 1)
START = 1_767_225_600_000
DAY_MS = 86_400_000
UNDATED: list[int | str | dict[str, object]] = [
    {"user_id": "u", "item_id": "i", "timestamp": None, "action": "view"},
    {"user_id": "u", "item_id": "i", "timestamp": "soon", "action": "view", "value": "NaN"},
    {"user_id": None, "item_id": "i", "timestamp": 12, "action": "view"},
    {"user_id": "u", "item_id": "i", "timestamp": START // 1000, "action": "clik", "surface": 'a "b" é'},
    "{cut off",
]


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def line(row: int | str | dict[str, object], at: int) -> str:
    """A number is an event of that day; -1 one with a time and without an item."""
    if isinstance(row, int):
        item, number = ("i", row) if row >= 0 else (None, 0)
        return json.dumps(
            {"user_id": f"u{at}", "item_id": item, "timestamp": START + number * DAY_MS, "action": "view"}
        )
    return row if isinstance(row, str) else json.dumps(row)


def write(path: Path, rows: Sequence[int | str | dict[str, object]]) -> None:
    path.write_text("".join(line(row, at) + "\n" for at, row in enumerate(rows)))


def clean(lake: Lake, path: Path, days: Sequence[date]) -> Cleaned:
    """What a run of `events` makes of one log for all days."""
    settings = {"kind": "files", "events": {"path": str(path)}, "items": {"path": "unread.csv"}}
    source = Files(FilesSettings.model_validate(settings), FIRST)
    validator = RowValidator(QualitySettings(actions=("view",)), "string", None, datetime(2026, 6, 1, tzinfo=UTC), "ms")
    files = source.land("events", days)
    raw = apply_decisions(source.read("events", files, days), lake, "events", days, "string")
    raw = without_put_aside(raw, lake, "events", files, days)
    parts = list(clean_events(raw, validator, days, rows_in_memory=1000, scratch=path.parent))
    accepted = pl.concat([pl.DataFrame(schema=events_schema("string")), *(part.accepted for part in parts)])
    rejected = pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *(part.rejected for part in parts)])
    lake.replace_days(QUARANTINE_TABLE, rejected, days, {"origin": "events"})
    return Cleaned(accepted, rejected, rejected.clear())


def held(lake: Lake) -> list[tuple[date, int]]:
    return lake.scan(QUARANTINE_TABLE).select("day", "source_row").sort("source_row", "day").collect().rows()


rows = st.lists(st.one_of(st.integers(-1, 3), st.sampled_from(UNDATED)), min_size=1, max_size=9)
runs = st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2)), max_size=5)


@settings(max_examples=15, deadline=None)
@given(rows, st.integers(1, 9), runs)
def test_every_row_is_accounted_for_once_however_the_nights_go(
    tmp_path_factory: pytest.TempPathFactory,
    log: list[int | str | dict[str, object]],
    grown_from: int,
    again: list[tuple[int, int]],
) -> None:
    folder = tmp_path_factory.mktemp("log")
    lake, path = Lake(str(folder / "lake")), folder / "log.jsonl"
    write(path, [0, *log[:grown_from]])
    clean(lake, path, [day(0)])
    write(path, [0, *log])
    accepted: dict[date, int] = {}
    for first, length in [(1, 1), *again, (0, 1), (2, 1), (3, 1), (1, 1)]:
        days = [day(number) for number in range(first, first + length)]
        cleaned = clean(lake, path, days)
        accepted |= {one: cleaned.accepted.filter(pl.col("day") == one).height for one in days}
    places = [place for _, place in held(lake)]
    bad = [at for at, row in enumerate([0, *log]) if not isinstance(row, int) or row < 0]
    assert places == bad, "each once"
    assert sum(accepted.values()) + len(places) == len(log) + 1


def test_it_stays_with_the_day_that_met_it(tmp_path: Path) -> None:
    lake, path = Lake(str(tmp_path / "lake")), tmp_path / "log.jsonl"
    write(path, [0, *UNDATED, -1])
    assert clean(lake, path, [day(0)]).rejected.height == len(UNDATED) + 1
    first = [(day(0), place) for place in range(1, 7)]
    write(path, [0, *UNDATED, -1, 1, UNDATED[0]])
    assert clean(lake, path, [day(1)]).rejected.height == 1
    assert held(lake) == [*first, (day(1), 8)]
    assert clean(lake, path, [day(0)]).rejected.height == len(UNDATED) + 1, "a day that is run again is as it was"
    assert held(lake) == [*first, (day(1), 8)]


def test_a_row_that_says_something_else_is_another_one(tmp_path: Path) -> None:
    lake, path = Lake(str(tmp_path / "lake")), tmp_path / "log.jsonl"
    write(path, [0, UNDATED[0], UNDATED[1]])
    clean(lake, path, [day(0)])
    write(path, [0, UNDATED[2], UNDATED[1], 1])
    assert clean(lake, path, [day(1)]).rejected["source_row"].to_list() == [1]


@pytest.mark.parametrize("value", [str(START + 5), "never"])
def test_a_row_that_was_corrected_on_its_day_does_not_come_back(tmp_path: Path, value: str) -> None:
    lake, path = Lake(str(tmp_path / "lake")), tmp_path / "log.jsonl"
    write(path, [0, UNDATED[0], UNDATED[1], UNDATED[4]])
    rejected = clean(lake, path, [day(0)]).rejected
    assert record_corrections(lake, "events", rejected.head(2), {"timestamp": value}) == 2
    whole = {"user_id": "u", "item_id": "i", "timestamp": value, "action": "view", "malformed": None}
    assert record_corrections(lake, "events", rejected.tail(1), whole) == 5
    again = clean(lake, path, [day(0)])
    assert again.rejected["reason"].to_list() == (["wrong_type"] * 3 if value == "never" else ["duplicate"] * 2)
    write(path, [0, UNDATED[0], UNDATED[1], UNDATED[4], 1])
    night = clean(lake, path, [day(1)])
    assert (night.accepted.height, night.rejected.height) == (1, 0)
    write(path, [0, UNDATED[3], UNDATED[1], "{cut o", 1])
    assert clean(lake, path, [day(1)]).rejected["source_row"].to_list() == [1, 3]


def test_a_row_with_a_day_of_its_own_is_judged_there(tmp_path: Path) -> None:
    """Here put aside under a wrong day, as by a profile whose unit was wrong."""
    lake, path = Lake(str(tmp_path / "lake")), tmp_path / "log.jsonl"
    write(path, [-1])
    rejected = clean(lake, path, [day(0)]).rejected.with_columns(pl.lit(day(3)).alias("day"))
    lake.replace_days(QUARANTINE_TABLE, rejected, [day(0), day(3)], {"origin": "events"})
    assert clean(lake, path, [day(0)]).rejected.height == 1
