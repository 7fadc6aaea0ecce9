import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.interactions import Interactions
from models.popularity import DAY_MS, DayCounts, PopularityCounter, PopularityOverTime

ITEMS = 4


@st.composite
def logs(draw: st.DrawFn) -> tuple[Interactions, int]:
    """Interactions of some users, and a moment after all of them."""
    end = draw(st.integers(1, 40 * DAY_MS))
    choice = st.tuples(st.integers(0, end - 1), st.integers(1, ITEMS))
    users = draw(st.lists(st.lists(choice, min_size=1, max_size=8), min_size=1, max_size=5))
    rows = [sorted(user) for user in users]
    return Interactions.of([([item for _, item in row], [time for time, _ in row]) for row in rows]), end


@given(logs(), st.floats(0.5, 100))
def test_each_moment_counts_what_came_strictly_before_it_older_ones_less(
    log: tuple[Interactions, int], half_life: float
) -> None:
    interactions, end = log
    found = PopularityOverTime.of(interactions, ITEMS, end, half_life)
    assert found.moments[-1] == end
    for moment, counts in zip(found.moments.tolist(), found.counts, strict=True):
        expected = np.zeros(ITEMS + 1)
        for item, time in zip(interactions.item_index.tolist(), interactions.timestamps.tolist(), strict=True):
            if time < moment:
                expected[item] += 0.5 ** ((moment - time) / (half_life * DAY_MS))
        assert counts == pytest.approx(expected, rel=1e-4, abs=1e-6)


@given(logs())
def test_parts_count_like_the_whole(log: tuple[Interactions, int]) -> None:
    interactions, end = log
    days = DayCounts()
    for user in range(len(interactions)):
        days.add(interactions.take(np.array([user])))
    counter = PopularityCounter(days.moments(ITEMS, end), ITEMS, 3)
    for user in reversed(range(len(interactions))):
        counter.add(interactions.take(np.array([user])))
    whole, parts = PopularityOverTime.of(interactions, ITEMS, end, 3), counter.over_time()
    assert np.array_equal(whole.moments, parts.moments)
    assert parts.counts == pytest.approx(whole.counts, rel=1e-4, abs=1e-6)


def test_many_items_have_fewer_moments_and_busy_times_more() -> None:
    times = np.concatenate([np.arange(0, 1000, 10), np.arange(1000, 1100)]) * DAY_MS
    log = Interactions.of([(np.ones(len(times), np.int64), times)])
    days = DayCounts()
    days.add(log)
    end = int(times[-1]) + 1
    few = days.moments(1 << 19, end)
    assert len(days.moments(10, end)) == len(times) + 1
    assert 8 <= len(few) <= 20
    assert ((few[:-1] >= 1000 * DAY_MS).sum()) >= len(few[:-1]) // 2 - 1


def test_moments_ascend() -> None:
    with pytest.raises(ValueError, match="ascending"):
        PopularityOverTime(np.array([2, 1]), np.zeros((2, 3), np.float32))
