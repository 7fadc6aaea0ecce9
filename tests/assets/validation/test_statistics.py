"""A day of events in one row, and the rows that are kept for later days."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.validation.statistics import EVENT_STATISTICS_SCHEMA, day_statistics, earlier_days, remember
from storage.lake import Lake
from storage.schema import TIME

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=d) for d in range(3)]
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "user_id": pl.Int64,
    "item_id": pl.Int64,
    "timestamp": TIME,
    "action": pl.String,
    "day": pl.Date,
}
NO_REJECTED = pl.DataFrame(schema={"day": pl.Date, "reason": pl.String, "rows": pl.Int64})


def events(rows: list[tuple[int, int, int, int, str]]) -> pl.DataFrame:
    """Events of (day, user, item, minute, action), in the order in which they are staged."""
    whole = [
        (user, item, MIDNIGHT + timedelta(days=day, minutes=minute), action, DAYS[day])
        for day, user, item, minute, action in sorted(rows)
    ]
    return pl.DataFrame(whole, schema=SCHEMA, orient="row")


def test_a_day_in_one_row() -> None:
    rows = events(
        [
            (0, 1, 7, 10, "view"),
            (0, 1, 8, 700, "click"),
            (0, 2, 7, 700, "view"),
            (1, 2, 9, 0, "view"),
            (1, 2, 9, 1439, "view"),
            (1, 2, 9, -600, "view"),
        ]
    )
    rejected = pl.DataFrame(
        [
            (DAYS[0], "duplicate", 3),
            (DAYS[0], "unknown_item", 2),
            (DAYS[0], "wrong_type", 1),
            (DAYS[2], "duplicate", 4),
        ],
        schema=NO_REJECTED.schema,
        orient="row",
    )
    found = day_statistics(rows.lazy(), rejected, DAYS)
    assert found.schema == pl.Schema(EVENT_STATISTICS_SCHEMA)
    assert found.drop("actions").rows() == [
        (DAYS[0], 3, 2, 2, 739, 6, 3, 2),
        (DAYS[1], 3, 1, 1, 1438, 0, 0, 0),
        (DAYS[2], 0, 0, 0, 1440, 4, 4, 0),
    ]
    assert found["actions"].to_list() == [
        [{"action": "click", "rows": 1}, {"action": "view", "rows": 2}],
        [{"action": "view", "rows": 3}],
        [],
    ]


def test_accepted_events_of_unknown_items_are_counted_by_day() -> None:
    known = pl.DataFrame({"item_id": [7, 8], "first_day": [DAYS[0], DAYS[1]]})
    rows = events([(0, 1, 7, 0, "a"), (0, 1, 8, 1, "a"), (0, 1, 9, 2, "a"), (1, 1, 8, 0, "a"), (1, 1, 9, 0, "a")])
    rejected = pl.DataFrame([(DAYS[1], "unknown_item", 5)], schema=NO_REJECTED.schema, orient="row")
    assert day_statistics(rows.lazy(), rejected, DAYS, known)["unknown_items"].to_list() == [2, 6, 0]


ROW = st.tuples(
    st.integers(0, 2), st.integers(0, 3), st.integers(0, 3), st.integers(-30, 1500), st.sampled_from(["view", "click"])
)


@settings(max_examples=100, deadline=None)
@given(st.lists(ROW, max_size=40))
def test_statistics_are_those_counted_row_by_row(rows: list[tuple[int, int, int, int, str]]) -> None:
    found = day_statistics(events(rows).lazy(), NO_REJECTED, DAYS)
    for number, day in enumerate(found.iter_rows(named=True)):
        mine = [row for row in rows if row[0] == number]
        assert day["day"] == DAYS[number]
        assert day["rows"] == len(mine)
        assert day["users"] == len({user for _, user, *_ in mine})
        assert day["items"] == len({item for _, _, item, *_ in mine})
        assert {a["action"]: a["rows"] for a in day["actions"]} == {
            action: n for action in ("view", "click") if (n := sum(row[4] == action for row in mine))
        }
        minutes = {minute for *_, minute, _ in mine if 0 <= minute < 1440}
        quiet = "".join(" " if minute in minutes else "." for minute in range(1440))
        assert day["longest_gap_minutes"] == max(map(len, quiet.split()), default=0)


def test_days_are_remembered_and_replaced(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert earlier_days(lake, DAYS).is_empty()
    whole = day_statistics(events([(n, 1, 1, 0, "view") for n in range(3)]).lazy(), NO_REJECTED, DAYS)
    remember(lake, whole, DAYS)
    remember(lake, day_statistics(events([]).lazy(), NO_REJECTED, DAYS[1:2]), DAYS[1:2])
    seen = earlier_days(lake, [FIRST + timedelta(days=7)]).sort("day")
    assert seen.select("day", "rows").rows() == [(DAYS[0], 1), (DAYS[1], 0), (DAYS[2], 1)]
    assert seen.row(0) == whole.row(0)


def test_a_day_is_compared_with_the_days_before_it_whatever_came_later(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    days = [FIRST + timedelta(days=d) for d in range(10)]
    remember(lake, day_statistics(events([]).lazy(), NO_REJECTED, days), days)
    assert sorted(earlier_days(lake, days[8:9])["day"]) == days[1:8]
    assert sorted(earlier_days(lake, [days[2], days[4]])["day"]) == [days[0], days[1], days[3]]
