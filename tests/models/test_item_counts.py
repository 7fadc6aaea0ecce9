import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.interactions import Interactions
from models.item_counts import ItemCounts

DAY_MS = 86_400_000
IDS = pl.Series(["d", "b", "a", "c"])

USERS = st.lists(st.lists(st.tuples(st.integers(1, 4), st.integers(0, 20 * DAY_MS)), max_size=5), max_size=6)


def interactions(users: list[list[tuple[int, int]]]) -> Interactions:
    done = [sorted(user, key=lambda step: step[1]) for user in users]
    return Interactions.of([([item for item, _ in user], [moment for _, moment in user]) for user in done])


@given(users=USERS, listed=st.sets(st.sampled_from("abcd")), cut=st.integers(0, 6))
def test_a_log_in_parts_makes_the_vocabulary_of_the_whole(
    users: list[list[tuple[int, int]]], listed: set[str], cut: int
) -> None:
    whole, parts = (ItemCounts(4, 20 * DAY_MS + 1, half_life_days=2) for _ in range(2))
    whole.add(interactions(users))
    for some in (users[:cut], users[cut:]):
        parts.add(interactions(some))
    catalogue = pl.Series(sorted(listed), dtype=pl.String)
    one, other = whole.vocabulary(IDS, catalogue), parts.vocabulary(IDS, catalogue)
    assert one.popularity == pytest.approx(other.popularity)
    assert one.trained.tolist() == other.trained.tolist()
    seen = {IDS[item - 1] for user in users for item, _ in user}
    assert one.ids(one.trained).to_list() == sorted(seen)
    assert set(one.ids(one.known_items)) == seen | listed
    first = {item: min(moment for user in users for one_, moment in user if one_ == item) for item in one.trained}
    assert {item: whole.first_seen[item] for item in one.trained} == first


def test_an_interaction_counts_half_at_the_half_life() -> None:
    counts = ItemCounts(2, end_ms=10 * DAY_MS, half_life_days=5)
    counts.add(interactions([[(1, 5 * DAY_MS), (1, 10 * DAY_MS), (2, 0)]]))
    assert counts.popularity == pytest.approx([0, 1.5, 0.25])
    assert np.array_equal(counts.vocabulary(pl.Series([7, 8]), pl.Series([], dtype=pl.Int64)).unlisted, [])
