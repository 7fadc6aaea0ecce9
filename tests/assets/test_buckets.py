"""Which slot and bucket a user belongs to."""

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.buckets import SLOTS, buckets_of, slot_edges, slots_of, user_hashes


def test_hashes_are_pinned() -> None:
    """A user's slot is in tables that were written long ago: this must never change."""
    texts, numbers = pl.Series(["alice", "bob", ""]), pl.Series([0, 7, -1])
    assert user_hashes(texts).tolist() == [8332761332120969289, 10558559838520660027, 0xEF46DB3751D8E999]
    assert user_hashes(numbers).tolist() == [16294208416658607535, 7191089600892374487, 16490336266968443936]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, max_size=50))
def test_numbers_never_share_a_hash(numbers: list[int]) -> None:
    assert len(set(user_hashes(pl.Series(numbers, dtype=pl.Int64)).tolist())) == len(numbers)


@given(st.integers(1, SLOTS))
def test_buckets_part_all_slots_evenly(buckets: int) -> None:
    edges = slot_edges(buckets)
    assert (edges[0], edges[-1]) == (0, SLOTS)
    sizes = np.diff(edges)
    assert sizes.min() >= 1
    assert sizes.max() - sizes.min() <= 1
    assert buckets_of(np.arange(SLOTS), buckets).tolist() == np.repeat(np.arange(buckets), sizes).tolist()


def test_slots_rise_with_hashes_and_are_used_evenly() -> None:
    hashes = np.sort(user_hashes(pl.Series(np.arange(200_000))))
    slots = slots_of(hashes)
    assert np.all(np.diff(slots) >= 0)
    counts = np.bincount(slots, minlength=SLOTS)
    assert counts.min() >= 20
    assert counts.max() <= 90
