"""Which days of a catalogue are whole, and what follows from it: nobody leaves by mistake, and who is gone leaves."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.items.catalogue import gone_at
from assets.items.leaving import few_leave
from assets.items.listing import ListingRules, judge_days
from assets.sources.source import Snapshot
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, QUARANTINE_SCHEMA, QUARANTINE_TABLE, items_schema

FIRST = date(2026, 1, 1)
AUTO, FULL, CHANGES = (ListingRules(snapshot, 0.2) for snapshot in ("auto", "full", "changes"))
ALL = range(20)


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def put(lake: Lake, number: int, items: Sequence[int]) -> None:
    schema = items_schema("int64")
    rows = [{**dict.fromkeys(schema), "item_id": item, "day": day(number)} for item in items]
    lake.replace_days(ITEMS_TABLE, pl.DataFrame(rows, schema=schema), [day(number)])


def put_aside(lake: Lake, number: int, *rows: Mapping[str, Any]) -> None:
    frame = pl.DataFrame(
        [("items", day(number), "wrong_type", "f", n, json.dumps(row), None) for n, row in enumerate(rows)],
        schema=QUARANTINE_SCHEMA,
        orient="row",
    )
    lake.replace_days(QUARANTINE_TABLE, frame, [day(number)], {"origin": "items"})


def nights(lake: Lake, listed: Mapping[int, Sequence[int]], rules: ListingRules = AUTO) -> pl.DataFrame:
    """One run for each day."""
    judged = pl.DataFrame()
    for number, items in listed.items():
        put(lake, number, items)
        judged = judge_days(lake, day(number), rules, "int64")
    return judged


def gone(lake: Lake, until: int = 99) -> dict[int, int]:
    """Item to the number of the day from which on it is gone."""
    found = gone_at(lake, day(until)).collect()
    return {item: (moment.date() - FIRST).days for item, moment in found.iter_rows()}


def without(*items: int) -> list[int]:
    return [item for item in ALL if item not in items]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_an_item_that_daily_snapshots_no_longer_list_is_gone_from_that_day_on(lake: Lake) -> None:
    judged = nights(lake, {0: ALL, 1: ALL, 2: ALL, 3: without(7), 4: without(7)})
    assert judged["whole"].to_list() == [False, False, True, True, True]
    assert judged["missing"].to_list() == [0, 0, 0, 1, 0]
    assert gone(lake) == {7: 3}
    assert gone(lake, until=4) == {7: 3}
    assert gone(lake, until=3) == {}, "nobody knew before"


def test_an_item_that_comes_back_is_there(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: ALL, 2: without(7), 3: without(7), 4: ALL})
    assert gone(lake) == {}
    assert gone(lake, until=4) == {7: 2}


@pytest.mark.parametrize("rules", [AUTO, CHANGES])
def test_a_catalogue_of_changes_takes_nobody_out(lake: Lake, rules: ListingRules) -> None:
    nights(lake, {0: ALL, 1: [3], 2: [3], 3: [20, 21], 4: [3, 4, 5], 6: [22]}, rules)
    assert gone(lake) == {}


def test_a_single_bulk_of_changes_takes_nobody_out_either(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: [3], 2: without(1, 2), 3: [4], 4: without(5, 6), 5: [1]})
    assert gone(lake) == {}


def test_a_catalogue_that_came_once_takes_nobody_out(lake: Lake) -> None:
    nights(lake, {0: ALL})
    assert gone(lake) == {}


def test_where_the_profile_says_full_the_second_day_counts(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: without(7)}, FULL)
    assert gone(lake) == {7: 1}


@pytest.mark.parametrize("rules", [AUTO, FULL])
@pytest.mark.parametrize("left", [0, 1, 10, 15])
def test_of_a_file_that_was_cut_off_nobody_leaves_and_it_is_said(lake: Lake, rules: ListingRules, left: int) -> None:
    whole = {0: ALL, 1: ALL, 2: without(7), 3: without(7)}
    nights(lake, whole, rules)
    judged = nights(lake, {4: without(7)[:left] if left else [20]}, rules)
    assert gone(lake) == {7: 2}
    told = few_leave(judged, [day(4)], rules)
    assert not told.passed
    assert "lacks" in str(told.description)
    assert "nobody leaves" in str(told.description)
    judged = nights(lake, {5: without(7, 8), 6: without(7, 8)}, rules)
    assert gone(lake)[8] in (5, 6), "who is gone leaves once the catalogue is whole again"
    assert few_leave(judged, [day(5), day(6)], rules).passed


def test_who_wants_many_to_leave_says_so_once(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: ALL, 2: ALL})
    put(lake, 3, ALL[:10])
    assert not few_leave(judge_days(lake, day(3), AUTO, "int64"), [day(3)], AUTO).passed
    once = ListingRules("auto", 0.5)
    assert few_leave(judge_days(lake, day(3), once, "int64"), [day(3)], once).passed
    nights(lake, {4: ALL[:10], 5: ALL[:9]})
    assert gone(lake) == dict.fromkeys(range(10, 20), 3) | {9: 5}


def test_an_item_whose_row_is_put_aside_is_there(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: ALL, 2: ALL})
    put_aside(lake, 3, {"item_id": 7, "available_from": "soon"}, {"item_id": "8.0"}, {"item_id": 7})
    judged = nights(lake, {3: without(7, 8, 9)})
    assert judged["missing"].to_list()[-1] == 1
    assert gone(lake) == {9: 3}


def test_among_rows_without_an_id_could_be_any_item(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: ALL, 2: ALL})
    put_aside(lake, 3, {"item_id": None, "malformed": "7,thi"})
    judged = nights(lake, {3: without(7)})
    assert gone(lake) == {}
    told = few_leave(judged, [day(3)], AUTO)
    assert (told.passed, "1 rows without an id" in str(told.description)) == (False, True)


@pytest.mark.parametrize("rules", [AUTO, FULL])
def test_rows_without_an_id_in_every_file_keep_everybody_and_every_night_says_so(
    lake: Lake, rules: ListingRules
) -> None:
    for number in range(5):
        put_aside(lake, number, {"item_id": None, "title": "20 rows"})
        judged = nights(lake, {number: ALL if number < 2 else without(7)}, rules)
        told = few_leave(judged, [day(number)], rules)
        assert told.passed == (number == 0), "on the first day nothing was listed before"
    assert gone(lake) == {}
    judged = nights(lake, {5: without(7)}, rules)
    assert gone(lake) == {7: 5}, "the first file without such rows is believed"
    assert few_leave(judged, [day(5)], rules).passed
    put_aside(lake, 6, {"item_id": None})
    judged = nights(lake, {6: ALL[:5]}, rules)
    assert not few_leave(judged, [day(6)], rules).passed
    assert gone(lake) == {7: 5}


def test_bad_rows_among_changes_are_no_doubt(lake: Lake) -> None:
    for number, items in enumerate([ALL, [3], [4, 5], [20]]):
        put_aside(lake, number, {"item_id": None})
        judged = nights(lake, {number: items})
        assert few_leave(judged, [day(number)], AUTO).passed
    assert gone(lake) == {}


def test_a_profile_that_says_changes_puts_everybody_back(lake: Lake) -> None:
    nights(lake, {0: ALL, 1: ALL, 2: without(7), 3: without(7)})
    assert gone(lake) == {7: 2}
    judge_days(lake, day(3), CHANGES, "int64")
    assert gone(lake) == {}
    judge_days(lake, day(3), AUTO, "int64")
    assert gone(lake) == {7: 2}


def test_a_lake_from_before_is_judged_whole(lake: Lake) -> None:
    for number in range(4):
        put(lake, number, without(7) if number == 3 else ALL)
    assert gone(lake) == {}, "nothing was decided yet"
    judge_days(lake, day(3), AUTO, "int64")
    assert gone(lake) == {7: 3}


listings = st.lists(st.tuples(st.sets(st.integers(0, 11)), st.booleans()), min_size=1, max_size=7)


def simply(listed: Sequence[tuple[set[int], bool]], rules: ListingRules) -> dict[int, int]:
    """The same, told day by day: who is on the shelf, who left it when."""
    shelf: set[int] = set()
    left: dict[int, int] = {}
    repeated = False
    for number, (items, trailer) in enumerate(listed):
        if not items:
            continue
        missing = shelf - items
        repeats = bool(shelf) and len(missing) <= rules.max_gone_share * len(shelf)
        if repeats and not trailer and (rules.snapshot == "full" or repeated):
            left |= dict.fromkeys(missing, number)
            shelf -= missing
        shelf |= items
        left = {item: when for item, when in left.items() if item not in items}
        repeated = repeats
    return left


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(listings, st.sampled_from(["auto", "full"]), st.sampled_from([0.2, 0.5, 0.9]), st.booleans())
def test_nights_one_by_one_together_or_again_come_to_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    listed: list[tuple[set[int], bool]],
    snapshot: Snapshot,
    share: float,
    together: bool,
) -> None:
    lake, rules = Lake(str(tmp_path_factory.mktemp("lake"))), ListingRules(snapshot, share)
    put(lake, 0, sorted(listed[0][0]))
    for number, (items, trailer) in enumerate(listed):
        put(lake, number, sorted(items))
        put_aside(lake, number, *[{"item_id": None}] * trailer)
        if not together:
            judge_days(lake, day(number), rules, "int64")
    judge_days(lake, day(0 if together else len(listed) - 1), rules, "int64")
    assert gone(lake) == simply(listed, rules)
    judge_days(lake, day(len(listed) // 2), rules, "int64")
    assert gone(lake) == simply(listed, rules)
