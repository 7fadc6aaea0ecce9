"""Every raw event is accepted with the right types or quarantined with one reason; none is lost."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.buckets import user_hashes
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.events.stage import apart
from assets.sources.source import LandedFile
from assets.validation.quarantine import Cleaned
from assets.validation.settings import QualitySettings
from storage.schema import QUARANTINE_SCHEMA, IdType, events_schema

FIRST = date(2026, 1, 1)
DAYS = [FIRST, FIRST + timedelta(days=1)]
START = 1_767_225_600_000
"""2026-01-01 00:00 UTC in ms."""
HOUR = 3_600_000
NOW = datetime(2026, 1, 3, tzinfo=UTC)
KNOWN = {
    "int64": pl.DataFrame({"item_id": [1, 2, 5], "first_day": [FIRST, FIRST, DAYS[1]]}),
    "string": pl.DataFrame({"item_id": ["1", "2"], "first_day": FIRST}),
}
RULES = QualitySettings()


def raw(rows: list[dict[str, Any]], schema: dict[str, Any] | None = None) -> pl.LazyFrame:
    good = {"user_id": 1, "item_id": 1, "timestamp": START, "action": "view", "day": FIRST, "source_file": "f"}
    whole = [good | {"source_row": n} | row for n, row in enumerate(rows)]
    return pl.DataFrame(whole, schema_overrides=schema, infer_schema_length=None).lazy()


def clean(
    rows: pl.LazyFrame, id_type: IdType = "int64", rules: QualitySettings = RULES, now: datetime = NOW
) -> Cleaned:
    return cleaned_by(rows, RowValidator(rules, id_type, KNOWN[id_type], now))


def cleaned_by(rows: pl.LazyFrame, validator: RowValidator, rows_in_memory: int = 10**6) -> Cleaned:
    """All parts as one, in order of arrival; rows come as a source gives them, by day, file and row."""
    with TemporaryDirectory() as scratch:
        arrived = rows.sort("day", "source_file", "source_row")
        parts = list(clean_events([arrived], validator, DAYS, rows_in_memory=rows_in_memory, scratch=Path(scratch)))
        assert not list(Path(scratch).iterdir())
    accepted = pl.concat([pl.DataFrame(schema=events_schema(validator.id_type)), *(part.accepted for part in parts)])
    rejected = pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *(part.rejected for part in parts)])
    return Cleaned(accepted.sort("day", "arrival"), rejected, rejected.clear())


def reasons(cleaned: Cleaned) -> list[tuple[int, str]]:
    return cleaned.rejected.select("source_row", "reason").sort("source_row").rows()


def test_a_good_row_has_the_contracts_types() -> None:
    rows = raw([{"value": "4.5", "surface": "home", "request_id": 9.0, "timestamp": START + 5}])
    both: tuple[tuple[IdType, int | str], ...] = (("int64", 1), ("string", "1"))
    for id_type, one in both:
        accepted = clean(rows, id_type).accepted
        assert accepted.schema == pl.Schema(events_schema(id_type))
        moment = datetime(2026, 1, 1, 0, 0, 0, 5000, UTC)
        assert accepted.drop("hash_slot").rows() == [(one, one, moment, "view", 4.5, "home", "9", 0, FIRST)]


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"malformed": '{"user_id": 1, "item'}, "malformed"),
        ({"user_id": None}, "null_key"),
        ({"action": "  "}, "null_key"),
        ({"timestamp": None}, "no_time"),
        ({"item_id": 2**63}, "wrong_type"),
        ({"user_id": 1.5}, "wrong_type"),
        ({"value": "a lot"}, "wrong_type"),
        ({"value": 1e39}, "wrong_type"),
        ({"surface": ["home"]}, "wrong_type"),
        ({"timestamp": True}, "wrong_type"),
        ({"action": "zap"}, "unknown_action"),
        ({"timestamp": START // 1000}, "timestamp_too_old"),
        ({"timestamp": START * 1000}, "timestamp_in_future"),
        ({"timestamp": START + 25 * HOUR}, "timestamp_in_future"),
        ({"item_id": 3}, "unknown_item"),
        ({"item_id": 5}, "unknown_item"),
    ],
)
def test_a_bad_row_has_its_reason(bad: dict, reason: str) -> None:
    schema = {"item_id": pl.UInt64} if bad.get("item_id") == 2**63 else None
    cleaned = clean(raw([bad], schema))
    assert reasons(cleaned) == [(0, reason)]
    assert cleaned.accepted.height == 0
    assert cleaned.rejected.schema == pl.Schema(QUARANTINE_SCHEMA)


def test_the_first_reason_counts() -> None:
    assert reasons(clean(raw([{"user_id": None, "action": "zap", "item_id": 3}]))) == [(0, "null_key")]


def test_huge_and_textual_ids_stay_themselves_where_ids_are_text() -> None:
    rows = raw(
        [{"user_id": "007", "item_id": "1"}, {"user_id": "9" * 30, "item_id": "1"}, {"user_id": "7", "item_id": "1"}]
    )
    assert clean(rows, "string").accepted["user_id"].to_list() == ["007", "9" * 30, "7"]
    assert clean(rows, "int64").accepted["user_id"].to_list() == [7]
    assert reasons(clean(rows, "int64")) == [(0, "wrong_type"), (1, "wrong_type")]


def test_an_item_is_known_from_its_first_day_on() -> None:
    assert reasons(clean(raw([{"item_id": 5}, {"item_id": 5, "day": DAYS[1]}]))) == [(0, "unknown_item")]


def test_of_duplicates_of_a_day_the_first_arrival_stays() -> None:
    rows = raw(
        [
            {"source_file": "b", "value": 2.0},
            {"source_file": "a", "value": 1.0, "source_row": 7},
            {"day": DAYS[1], "value": 3.0},
            {"action": "click", "value": 4.0},
        ]
    )
    cleaned = clean(rows)
    assert cleaned.accepted["value"].to_list() == [1.0, 4.0, 3.0], "a day is judged by itself, in a range or alone"
    assert reasons(cleaned) == [(0, "duplicate")]


def test_a_rejected_row_makes_no_duplicate_of_a_good_one() -> None:
    assert reasons(clean(raw([{"value": "x"}, {"value": "1"}, {"value": "2"}]))) == [
        (0, "wrong_type"),
        (2, "duplicate"),
    ]


def test_arrival_counts_up_within_each_day() -> None:
    rows = raw(
        [
            {"day": DAYS[1], "timestamp": START + 26 * HOUR},
            {"source_file": "z", "timestamp": START + 1},
            {"source_file": "b", "source_row": 10, "timestamp": START + 3},
            {"source_file": "b", "source_row": 9, "timestamp": START + 9},
        ]
    )
    accepted = clean(rows).accepted
    milliseconds = accepted["timestamp"].dt.timestamp("ms") - START
    assert list(zip(accepted["day"], accepted["arrival"], milliseconds, strict=True)) == [
        (FIRST, 0, 9),
        (FIRST, 1, 3),
        (FIRST, 2, 1),
        (DAYS[1], 0, 26 * HOUR),
    ]


def test_late_events_are_accepted_early_ones_are_not() -> None:
    late = {"day": DAYS[1], "timestamp": START - 300 * 24 * HOUR}
    end = {"timestamp": START + 24 * HOUR - 1 + 600_000}
    after = {"timestamp": START + 24 * HOUR + 600_000}
    cleaned = clean(raw([late, end, after]))
    assert cleaned.accepted["day"].to_list() == [FIRST, DAYS[1]]
    assert reasons(cleaned) == [(2, "timestamp_in_future")]


def test_nothing_happens_after_now() -> None:
    now = datetime(2026, 1, 1, 6, tzinfo=UTC)
    rows = raw([{"timestamp": START + 6 * HOUR + 600_000}, {"timestamp": START + 6 * HOUR + 600_001}])
    assert reasons(clean(rows, now=now)) == [(1, "timestamp_in_future")]


def test_unknown_items_can_be_let_in() -> None:
    assert cleaned_by(raw([{"item_id": 3}]), RowValidator(RULES, "int64", None, NOW)).accepted.height == 1


def test_columns_that_no_file_has_are_an_error_that_says_what_to_do() -> None:
    rows = raw([{}]).drop("user_id", "action")
    with pytest.raises(ValueError, match=r"no column 'user_id', 'action' .*source\.events\.columns"):
        clean(rows)
    only_malformed = raw([{"malformed": "junk"}]).select("day", "source_file", "source_row", "malformed")
    assert reasons(clean(only_malformed)) == [(0, "malformed")]


def test_a_row_of_another_day_is_an_error() -> None:
    with pytest.raises(ValueError, match="1 rows belong to none of the days"):
        clean(raw([{}, {"day": date(2025, 1, 1)}]))


def test_no_rows_are_no_error() -> None:
    for empty in (raw([{}]).clear(), raw([{}]).select("day", "source_file", "source_row").clear()):
        cleaned = clean(empty)
        assert cleaned.accepted.schema == pl.Schema(events_schema("int64"))
        assert cleaned.rejected.schema == pl.Schema(QUARANTINE_SCHEMA)
        assert cleaned.accepted.height == cleaned.rejected.height == 0


IDS = st.sampled_from(["1", "2", "3", "02", "x", "", None, str(2**63)])
TIMES = st.sampled_from([str(START), str(START + 1), str(START + 30 * HOUR), str(START // 1000), "noon", "", None])
ACTIONS = st.sampled_from(["view", "click", "zap", "", None])
VALUES = st.sampled_from(["1", "0.5", "NaN", "much", "", None])
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": IDS,
            "item_id": IDS,
            "timestamp": TIMES,
            "action": ACTIONS,
            "value": VALUES,
            "day": st.sampled_from(DAYS),
            "source_file": st.sampled_from(["a", "b"]),
            "malformed": st.sampled_from([None, None, None, "junk"]),
        }
    ),
    max_size=25,
)
TEXT = dict.fromkeys(("user_id", "item_id", "timestamp", "action", "value", "malformed"), pl.String)


def judged_row_by_row(rows: list[dict[str, Any]]) -> list[tuple]:
    """The same rules, told once more and slowly, for text columns and int64 ids."""
    kept: dict[tuple, None] = {}
    order = sorted(enumerate(rows), key=lambda numbered: (numbered[1]["day"], numbered[1]["source_file"], numbered[0]))
    for _, row in order:
        if row["malformed"] or not all(row[c] for c in ("user_id", "item_id", "timestamp", "action")):
            continue
        if row["user_id"] not in ("1", "2", "3") or row["item_id"] not in ("1", "2") or row["value"] == "much":
            continue
        if row["action"] == "zap" or row["timestamp"] in ("noon", str(START // 1000)):
            continue
        if int(row["timestamp"]) > START + 24 * HOUR and row["day"] == FIRST:
            continue
        event = (row["day"], int(row["user_id"]), int(row["item_id"]), int(row["timestamp"]), row["action"])
        kept.setdefault(event, None)
    return list(kept)


@settings(max_examples=150, deadline=None)
@given(ROWS)
def test_no_row_is_lost_and_no_bad_row_gets_in(rows: list[dict[str, Any]]) -> None:
    frame = raw(rows, TEXT) if rows else raw([{}], TEXT).clear()
    cleaned = clean(frame)
    accepted = cleaned.accepted
    assert accepted.schema == pl.Schema(events_schema("int64"))
    found = accepted.select("day", "user_id", "item_id", pl.col("timestamp").dt.timestamp("ms"), "action").rows()
    assert found == judged_row_by_row(rows)
    assert accepted.height + cleaned.rejected.height == len(rows)
    assert cleaned.rejected["source_row"].is_unique().all()
    keys = accepted.select("user_id", "item_id", "timestamp", "action", "arrival", "day")
    assert keys.null_count().sum_horizontal().item() == 0


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_cleaning_is_idempotent(rows: list[dict[str, Any]]) -> None:
    accepted = clean(raw(rows, TEXT) if rows else raw([{}], TEXT).clear()).accepted
    again = clean(accepted.with_columns(pl.lit("f").alias("source_file"), pl.col("arrival").alias("source_row")).lazy())
    assert again.accepted.drop("arrival").equals(accepted.drop("arrival"))
    assert again.rejected.height == 0


@settings(max_examples=50, deadline=None)
@given(ROWS, st.integers(2, 12))
def test_what_fits_in_memory_makes_no_difference(rows: list[dict[str, Any]], rows_in_memory: int) -> None:
    frame = raw(rows, TEXT) if rows else raw([{}], TEXT).clear()
    validator = RowValidator(RULES, "int64", KNOWN["int64"], NOW)
    whole, pieces = cleaned_by(frame, validator), cleaned_by(frame, validator, rows_in_memory)
    assert pieces.accepted.equals(whole.accepted)
    order = ("source_file", "source_row")
    assert pieces.rejected.sort(order).equals(whole.rejected.sort(order))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3), st.integers(0, 3)), max_size=60), st.integers(2, 40))
def test_parts_of_a_day_come_in_order_of_users_and_time(
    events: list[tuple[int, int, int]], rows_in_memory: int
) -> None:
    rows = raw([{"user_id": u, "timestamp": START + t, "item_id": 1 + i % 2} for u, t, i in events] or [{}])
    validator = RowValidator(RULES, "int64", KNOWN["int64"], NOW)
    with TemporaryDirectory() as scratch:
        parts = list(clean_events([rows], validator, DAYS, rows_in_memory=rows_in_memory, scratch=Path(scratch)))
    accepted = pl.concat([part.accepted for part in parts])
    keys = list(zip(user_hashes(accepted["user_id"]), accepted["timestamp"], accepted["item_id"], strict=True))
    assert keys == sorted(keys)
    assert len(set(keys)) == len(keys)


MONTH = [FIRST + timedelta(days=n) for n in range(31)]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(0, 2)), min_size=1, max_size=80),
    st.integers(2, 60),
)
def test_days_cleaned_together_are_what_each_is_alone(events: list[tuple[int, int, int]], rows_in_memory: int) -> None:
    rows = [
        {"user_id": u, "timestamp": START + day * 24 * HOUR + t, "item_id": 1, "day": MONTH[day]}
        for day, u, t in events
    ]
    validator = RowValidator(RULES, "int64", KNOWN["int64"], datetime(2026, 3, 1, tzinfo=UTC))

    def cleaned(frame: pl.LazyFrame, days: list[date], most: int) -> list[pl.DataFrame]:
        with TemporaryDirectory() as scratch:
            parts = clean_events([frame], validator, days, rows_in_memory=most, scratch=Path(scratch))
            return [part.accepted for part in parts if part.accepted.height]

    together = cleaned(raw(rows), MONTH, rows_in_memory)
    alone = [
        part for day in MONTH for part in cleaned(raw(rows).filter(pl.col("day") == day), [day], 10**6) if part.height
    ]
    assert pl.concat(together).equals(pl.concat(alone))
    if rows_in_memory > len(rows):
        assert len(together) == 1, "days with few rows cost no part each"


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=60))
def test_days_that_share_a_file_are_cleaned_together(pairs: list[tuple[int, int]]) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    files = [LandedFile(MONTH[day], f"f{name}", 1, moment) for day, name in pairs]
    groups = apart(files, MONTH)
    assert sorted(day for days, _ in groups for day in days) == MONTH
    assert [days[0] for days, _ in groups] == sorted(min(days) for days, _ in groups)
    for days, of_days in groups:
        assert days == sorted(days)
        assert of_days == [file for file in files if file.day in days]
        # Each day is reached from the first by files that two days share.
        reached, ways = (
            {days[0]},
            [{file.day for file in files if file.path == path} for path in {f.path for f in files}],
        )
        for _ in days:
            reached |= {day for way in ways if way & reached for day in way}
        assert reached == set(days)
    paths = [{file.path for file in of_days} for _, of_days in groups]
    assert sum(map(len, paths)) == len(set().union(*paths)), "no file stands in two groups"
