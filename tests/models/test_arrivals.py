from datetime import timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.arrivals import NIGHTS, Arrivals, ArrivalTally
from models.interactions import Interactions

NEVER = np.iinfo(np.int64).max
ITEMS = 5
HISTORY = st.lists(st.tuples(st.integers(1, ITEMS), st.integers(0, 99)), max_size=20)


def counted(users: list[list[tuple[int, int]]], reach: int, content: list[bool], parts: int = 1) -> Arrivals:
    """Of a log from 0 to 100."""
    first = np.full(ITEMS + 1, NEVER)
    for item, time in (one for user in users for one in user):
        first[item] = min(first[item], time)
    there, has_content = np.zeros(ITEMS + 1, np.int64), np.array([False, *content])
    tally = ArrivalTally(there, first, has_content, 0, 100, timedelta(milliseconds=reach))
    for part in np.array_split(np.arange(len(users)), parts):
        chosen = [sorted(users[user], key=lambda one: one[1]) for user in part]
        tally.add(Interactions.of([([item for item, _ in one], [time for _, time in one]) for one in chosen]))
    return tally.arrivals()


@given(st.lists(HISTORY, min_size=2, max_size=5), st.integers(0, 120), st.lists(st.booleans(), min_size=5, max_size=5))
def test_every_choice_of_a_night_counts_and_is_new_where_its_version_did_not_know_the_item(
    users: list[list[tuple[int, int]]], reach: int, content: list[bool]
) -> None:
    found = counted(users, reach, content, parts=2)
    nights = min(NIGHTS, max(0, 100 // reach - 1)) if reach else 0
    assert len(found.choices) == len(found.of_new) == nights
    first = {item: min(time for user in users for i, time in user if i == item) for user in users for item, _ in user}
    for night in range(nights):
        end = 100 - night * reach
        within = [item for user in users for item, time in user if end - reach <= time < end]
        assert found.choices[night] == len(within)
        assert found.of_new[night] == sum(first[item] >= end - reach and content[item - 1] for item in within)
        known, new = found.known(night), found.new(night)
        assert not (known & new).any()
        assert np.flatnonzero(known).tolist() == sorted(item for item in first if first[item] < end - reach)


def test_what_was_not_there_yet_was_no_candidate() -> None:
    there, first = np.array([NEVER, 50, 90, 95, NEVER]), np.array([NEVER, 10, NEVER, NEVER, NEVER])
    came = Arrivals(there, first, 100, 10, np.zeros(2, np.int64), np.zeros(2, np.int64))
    assert np.flatnonzero(came.new(0)).tolist() == [2, 3]
    assert np.flatnonzero(came.new(1)).tolist() == []
    assert np.flatnonzero(came.known(1)).tolist() == [1]
