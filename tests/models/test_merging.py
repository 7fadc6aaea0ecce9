"""Merging adjacent actions of one kind into one step."""

from dataclasses import fields, replace
from itertools import groupby
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.history import Histories
from models.merging import Merging, Steps, merge_adjacent

CLICK, BUY = 1, 2
ways = st.sampled_from(get_args(Merging))
event = st.tuples(
    st.integers(0, 3),
    st.integers(0, 9),
    st.sampled_from([CLICK, BUY, CLICK | BUY]),
    st.one_of(st.just(float("nan")), st.integers(0, 100).map(float)),
    st.integers(-1, 2),
)
Event = tuple[int, int, int, float, int]
users = st.lists(st.lists(event, max_size=9).map(lambda done: sorted(done, key=lambda e: e[1])), max_size=5)


def steps(users: list[list[Event]]) -> Steps:
    """(item row, time, actions, value, surface) of each user."""
    flat = [event for done in users for event in done]
    rows, times, actions, values, surfaces = zip(*flat, strict=True) if flat else [()] * 5
    return Steps(
        offsets=np.concatenate([[0], np.cumsum([len(done) for done in users])]).astype(np.int64),
        rows=np.array(rows, np.int64),
        started=np.array(times, np.int64),
        timestamps=np.array(times, np.int64),
        actions=np.array(actions, np.int32),
        values=np.array(values, np.float32),
        surfaces=np.array(surfaces, np.int32),
        counts=np.ones(len(flat), np.int64),
    )


def of_user(merged: Steps, user: int) -> list[tuple[float, ...]]:
    part = slice(merged.offsets[user], merged.offsets[user + 1])
    columns = [getattr(merged, field.name)[part] for field in fields(Steps) if field.name != "offsets"]
    return [tuple(-1 if np.isnan(value) else value for value in step) for step in zip(*columns, strict=True)]


def one_by_one(done: list[Event], by: Merging, cutoff: int | None) -> list[tuple[float, ...]]:
    """The same, written as a loop."""

    def kind(place: int) -> tuple[int, ...]:
        row, time, actions, *_ = done[place]
        unknown = place if row == 0 else -1
        return (row, unknown, actions if by == "kind" else 0, cutoff is not None and time >= cutoff)

    expected = []
    for _, places in groupby(range(len(done)), kind):
        run = [done[place] for place in places]
        values = [event[3] for event in run if not np.isnan(event[3])]
        actions = int(np.bitwise_or.reduce([event[2] for event in run]))
        value = sum(values) if values else -1
        expected.append((run[0][0], run[0][1], run[-1][1], actions, value, run[0][4], len(run)))
    return expected


@settings(max_examples=200, deadline=None)
@given(users=users, by=ways, cutoff=st.one_of(st.none(), st.integers(0, 9)))
def test_runs_become_steps_as_a_loop_would_make_them(users: list[list[Event]], by: Merging, cutoff: int | None) -> None:
    merged = merge_adjacent(steps(users), by, cutoff)
    assert len(merged.offsets) == len(users) + 1
    for user, done in enumerate(users):
        assert of_user(merged, user) == one_by_one(done, by, cutoff)


@settings(max_examples=100, deadline=None)
@given(users=users, by=ways, cutoff=st.one_of(st.none(), st.integers(0, 9)))
def test_merging_twice_does_nothing_more_and_nothing_is_lost(
    users: list[list[Event]], by: Merging, cutoff: int | None
) -> None:
    whole = steps(users)
    merged = merge_adjacent(whole, by, cutoff)
    again = merge_adjacent(merged, by, cutoff)
    for field in fields(Steps):
        before, after = getattr(merged, field.name), getattr(again, field.name)
        assert before.dtype == after.dtype == getattr(whole, field.name).dtype
        np.testing.assert_array_equal(before, after)
    assert merged.counts.sum() == len(whole.rows)
    assert np.nansum(merged.values) == np.nansum(whole.values)


@settings(max_examples=100, deadline=None)
@given(users=users, by=ways, cutoff=st.integers(0, 9))
def test_cutting_and_merging_is_merging_at_the_cutoff_and_cutting(
    users: list[list[Event]], by: Merging, cutoff: int
) -> None:
    past = merge_adjacent(steps([[event for event in done if event[1] < cutoff] for done in users]), by)
    merged = merge_adjacent(steps(users), by, cutoff)
    for user in range(len(users)):
        assert of_user(past, user) == [step for step in of_user(merged, user) if step[2] < cutoff]
    # Who was not told of the cutoff hides a step that straddles it whole, and shows no part of it.
    blind = merge_adjacent(steps(users), by)
    for user in range(len(users)):
        shown = [step for step in of_user(blind, user) if step[2] < cutoff]
        assert shown == of_user(past, user)[: len(shown)]
        assert len(shown) >= past.offsets[user + 1] - past.offsets[user] - 1


@settings(max_examples=100, deadline=None)
@given(users=users, by=ways)
def test_what_a_model_reads_is_merged_alike(users: list[list[Event]], by: Merging) -> None:
    whole, merged = steps(users), merge_adjacent(steps(users), by)
    read = Histories(whole.rows, whole.timestamps, whole.offsets, actions=whole.actions).merged(by)
    np.testing.assert_array_equal(read.rows, merged.rows)
    np.testing.assert_array_equal(read.timestamps, merged.timestamps)
    np.testing.assert_array_equal(read.offsets, merged.offsets)


def test_histories_without_actions_cannot_be_merged_by_kind() -> None:
    given = replace(Histories.of([([1, 1], [0, 1])]), actions=None)
    assert given.merged("item").rows.tolist() == [1]
    assert given.merged(None) is given
    with pytest.raises(ValueError, match="these histories hold no actions"):
        given.merged("kind")


def test_steps_that_contradict_each_other_are_refused() -> None:
    made = steps([[(1, 0, CLICK, 1.0, 0)]])
    with pytest.raises(ValueError, match="1 rows and 2 counts, but the offsets end at 1"):
        replace(made, counts=np.ones(2, np.int64))
