"""Merging adjacent actions of one kind into one."""

from itertools import groupby
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import ACTIONS, COUNT, ITEM_INDEX, STARTED, SURFACE, TIMESTAMP, VALUE
from models.interactions import Interactions
from models.known import declared
from models.merging import Merging

CLICK, BUY = 1, 2
DEVICE, SCROLLED = "device", "scrolled"
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


COLUMNS = (ITEM_INDEX, STARTED, TIMESTAMP, ACTIONS, VALUE, SURFACE, COUNT, DEVICE, SCROLLED)


def whole(users: list[list[Event]]) -> Interactions:
    """(item, time, actions, value, surface) of each user; what else there is follows from these."""
    flat = [event for done in users for event in done]
    items, times, actions, values, surfaces = zip(*flat, strict=True) if flat else [()] * 5
    columns: dict[str, np.ndarray] = {
        ITEM_INDEX: np.array(items, np.int64),
        STARTED: np.array(times, np.int64),
        TIMESTAMP: np.array(times, np.int64),
        ACTIONS: np.array(actions, np.int32),
        VALUE: np.array(values, np.float32),
        SURFACE: np.array(surfaces, np.int16),
        COUNT: np.ones(len(flat), np.int64),
        DEVICE: np.array(surfaces, np.int16) * 2,
        SCROLLED: np.array(actions, np.float32) / 2,
    }
    offsets = np.concatenate([[0], np.cumsum([len(done) for done in users])]).astype(np.int64)
    return Interactions(offsets, columns, declared({DEVICE: "request", SCROLLED: "outcome"}))


def of_user(merged: Interactions, user: int) -> list[tuple[float, ...]]:
    part = slice(merged.offsets[user], merged.offsets[user + 1])
    columns = [merged.column(name)[part] for name in COLUMNS]
    return [tuple(-1 if np.isnan(value) else value for value in step) for step in zip(*columns, strict=True)]


def one_by_one(done: list[Event], by: Merging, cutoff: int | None) -> list[tuple[float, ...]]:
    """The same, written as a loop."""

    def kind(place: int) -> tuple[int, ...]:
        row, time, actions, *_ = done[place]
        unknown = place if row == 0 else -1
        return (row, unknown, actions if by == "kind" else 0, cutoff is not None and time >= cutoff)

    expected: list[tuple[float, ...]] = []
    for _, places in groupby(range(len(done)), kind):
        run = [done[place] for place in places]
        values = [event[3] for event in run if not np.isnan(event[3])]
        actions = int(np.bitwise_or.reduce([event[2] for event in run]))
        value = sum(values) if values else -1
        declared_ones = (2 * run[0][4], run[-1][2] / 2)
        expected.append((run[0][0], run[0][1], run[-1][1], actions, value, run[0][4], len(run), *declared_ones))
    return expected


@settings(max_examples=200, deadline=None)
@given(users=users, by=ways, cutoff=st.one_of(st.none(), st.integers(0, 9)))
def test_runs_become_steps_as_a_loop_would_make_them(users: list[list[Event]], by: Merging, cutoff: int | None) -> None:
    merged = whole(users).merged(by, cutoff)
    assert len(merged.offsets) == len(users) + 1
    for user, done in enumerate(users):
        assert of_user(merged, user) == one_by_one(done, by, cutoff)


@settings(max_examples=100, deadline=None)
@given(users=users, by=ways, cutoff=st.one_of(st.none(), st.integers(0, 9)))
def test_merging_twice_does_nothing_more_and_nothing_is_lost(
    users: list[list[Event]], by: Merging, cutoff: int | None
) -> None:
    given_ones = whole(users)
    merged = given_ones.merged(by, cutoff)
    again = merged.merged(by, cutoff)
    for name in COLUMNS:
        before, after = merged.column(name), again.column(name)
        assert before.dtype == after.dtype == given_ones.column(name).dtype
        np.testing.assert_array_equal(before, after)
    assert merged.column(COUNT).sum() == len(given_ones.timestamps)
    assert np.nansum(merged.column(VALUE)) == np.nansum(given_ones.column(VALUE))


@settings(max_examples=100, deadline=None)
@given(users=users, by=ways, cutoff=st.integers(0, 9))
def test_cutting_and_merging_is_merging_at_the_cutoff_and_cutting(
    users: list[list[Event]], by: Merging, cutoff: int
) -> None:
    past = whole([[event for event in done if event[1] < cutoff] for done in users]).merged(by)
    merged = whole(users).merged(by, cutoff)
    for user in range(len(users)):
        assert of_user(past, user) == [step for step in of_user(merged, user) if step[2] < cutoff]
    # Who was not told of the cutoff hides a step that straddles it whole, and shows no part of it.
    blind = whole(users).merged(by)
    for user in range(len(users)):
        shown = [step for step in of_user(blind, user) if step[2] < cutoff]
        assert shown == of_user(past, user)[: len(shown)]
        assert len(shown) >= past.offsets[user + 1] - past.offsets[user] - 1


def test_interactions_without_actions_cannot_be_merged_by_kind() -> None:
    given = Interactions.of([([1, 1], [0, 1])]).only()
    assert given.merged("item").item_index.tolist() == [1]
    assert given.merged(None) is given
    with pytest.raises(ValueError, match="these interactions hold no actions"):
        given.merged("kind")
