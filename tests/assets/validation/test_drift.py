"""Days of events against the week before each."""

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon

from assets.validation.drift import with_drift
from assets.validation.statistics import EVENT_STATISTICS_SCHEMA

FIRST = date(2026, 1, 1)
ACTIONS = ("click", "like", "view")


def day(number: int, **more: Any) -> dict[str, Any]:
    usual = {"rows": 1000, "users": 50, "items": 80, "longest_gap_minutes": 30, "rejected": 0, "duplicates": 0}
    mix = {"actions": [{"action": "view", "rows": 900}, {"action": "click", "rows": 100}]}
    return usual | mix | {"unknown_items": 0, "day": FIRST + timedelta(days=number)} | more


def statistics(days: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(days, schema=EVENT_STATISTICS_SCHEMA)


def compare(run: list[dict[str, Any]], earlier: list[dict[str, Any]], min_days: int = 3) -> list[dict[str, Any]]:
    days = statistics(run)
    summary = days.select(pl.col("day").cast(pl.String).alias("period"), "rows")
    return with_drift(summary, days, statistics(earlier), min_days, min_rows_judged=100).to_dicts()


def test_a_day_against_its_week() -> None:
    earlier = [day(n, rows=rows) for n, rows in enumerate((500, 1500, 1000, 1000))]
    strange = day(
        4,
        rows=250,
        users=100,
        items=20,
        longest_gap_minutes=240,
        rejected=750,
        duplicates=500,
        unknown_items=100,
        actions=[{"action": "like", "rows": 250}],
    )
    assert compare([strange], earlier) == [
        {
            "period": "2026-01-05",
            "rows": 250,
            "volume_ratio": 0.25,
            "user_ratio": 2.0,
            "item_ratio": 0.25,
            "gap_ratio": 4.0,
            "action_mix_distance": 1.0,
            "rows_due": 250,
            "duplicate_share": 0.5,
            "unknown_item_share": 0.1,
        }
    ]


def test_a_day_without_events_counts_where_some_were_due() -> None:
    """(rows of the week before, rows of the run's days) to what the check of empty days judges."""
    dense, sparse = ([day(n, rows=rows) for n in range(5)] for rows in (500, 20))
    unknown: list[dict[str, Any]] = []
    empty = [day(n, rows=0) for n in (5, 6)]
    for earlier, run, due in (
        (dense, empty[:1], [0]),
        (sparse, empty[:1], [None]),
        (unknown, empty[:1], [0]),
        (unknown, empty, [None, None]),
        (dense, empty, [0, 0]),
    ):
        assert [row["rows_due"] for row in compare(run, earlier)] == due


def test_a_day_like_its_week_has_not_moved() -> None:
    (same,) = compare([day(7)], [day(n) for n in range(7)])
    assert [same[f"{name}_ratio"] for name in ("volume", "user", "item", "gap")] == [1, 1, 1, 0.5]
    assert same["action_mix_distance"] == pytest.approx(0, abs=1e-7)


def test_days_of_one_run_are_compared_with_each_other_and_never_with_later_ones() -> None:
    run = [day(n, rows=1000 if n < 7 else 2000) for n in range(9)]
    assert [row["volume_ratio"] for row in compare(run, [])] == [None] * 3 + [1.0] * 4 + [2.0, pytest.approx(14 / 8)]
    alone = compare(run[7:8], run[:7] + run[8:])
    assert alone[0]["volume_ratio"] == 2.0


def test_too_few_or_too_small_days_say_nothing() -> None:
    assert compare([day(3)], [day(n) for n in range(2)])[0]["volume_ratio"] is None
    assert compare([day(3)], [day(n) for n in range(2)], min_days=2)[0]["volume_ratio"] == 1.0
    assert compare([day(9)], [day(n) for n in range(2)], min_days=1)[0]["volume_ratio"] is None
    small = compare([day(3, rows=500)], [day(n, rows=50) for n in range(3)])[0]
    assert (small["volume_ratio"], small["action_mix_distance"]) == (None, None)
    assert small["duplicate_share"] == 0.0
    tiny = compare([day(3, rows=50, duplicates=9)], [day(n) for n in range(3)])[0]
    assert (tiny["volume_ratio"], tiny["action_mix_distance"], tiny["duplicate_share"]) == (0.05, None, None)


def test_an_empty_day_is_far_below_its_week() -> None:
    (empty,) = compare(
        [day(3, rows=0, users=0, items=0, actions=[], longest_gap_minutes=1440)], [day(n) for n in range(3)]
    )
    assert (empty["volume_ratio"], empty["gap_ratio"], empty["action_mix_distance"]) == (0.0, 24.0, None)


MIX = st.lists(st.integers(0, 1000), min_size=3, max_size=3).filter(any)


@settings(max_examples=100, deadline=None)
@given(MIX, st.lists(MIX, min_size=3, max_size=7))
def test_the_distance_is_that_of_scipy(mix: list[int], week: list[list[int]]) -> None:
    def actions(counts: list[int]) -> list[dict[str, Any]]:
        return [{"action": a, "rows": n} for a, n in zip(ACTIONS, counts, strict=True) if n]

    earlier = [day(n, actions=actions(counts)) for n, counts in enumerate(week)]
    (found,) = compare([day(len(week), actions=actions(mix))], earlier)
    expected = jensenshannon(mix, [sum(counts) for counts in zip(*week, strict=True)], base=2)
    assert found["action_mix_distance"] == pytest.approx(expected, abs=1e-6)
