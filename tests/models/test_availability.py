"""Availability is the minimum over an item's rows, whatever comes after and in whatever order."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from models.availability import with_availability

FIRST = date(2026, 1, 1)
MIDNIGHT = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "item_id": pl.Int64,
    "title": pl.String,
    "available_from": pl.Datetime("ms", "UTC"),
    "day": pl.Date,
}

row = st.tuples(st.integers(1, 4), st.integers(0, 6), st.none() | st.integers(-48, 24 * 10))
"""(item, day, hours after the first midnight at which the row says that it is available)"""


def table(rows: list[tuple[int, int, int | None]]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            (item, f"{item} on {day}", None if at is None else MIDNIGHT + timedelta(hours=at), FIRST + timedelta(day))
            for item, day, at in rows
        ],
        schema=SCHEMA,
        orient="row",
    )


def available(rows: list[tuple[int, int, int | None]]) -> dict[int, tuple[Any, ...]]:
    found = with_availability(table(rows).lazy()).collect()
    assert found.schema == SCHEMA
    return {item: (title, moment) for item, title, moment, _ in found.iter_rows()}


@given(st.lists(row, max_size=20, unique_by=lambda r: r[:2]), st.randoms())
def test_rows_in_any_order_give_the_newest_description_and_the_earliest_moment(
    rows: list[tuple[int, int, int | None]], shuffle: Any
) -> None:
    expected = {}
    for item in {item for item, *_ in rows}:
        mine = [(day, at) for other, day, at in rows if other == item]
        moments = [MIDNIGHT + (timedelta(day) if at is None else timedelta(hours=at)) for day, at in mine]
        expected[item] = (f"{item} on {max(mine, key=lambda r: r[0])[0]}", min(moments))
    assert available(rows) == expected
    shuffle.shuffle(rows)
    assert available(rows) == expected


def test_a_daily_snapshot_does_not_make_an_item_new() -> None:
    assert available([(1, day, None) for day in range(5)]) == {1: ("1 on 4", MIDNIGHT)}
    assert available([(1, 0, 72), (1, 1, 24)]) == {1: ("1 on 1", MIDNIGHT + timedelta(hours=24))}
