"""The kernel orders events as numpy does."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.events import order
from models import native

EDGES = [0, 1, 2**52, 2**63, 2**64 - 1]


@pytest.mark.skipif(not native.compiles(order.SOURCE), reason="there is no C++ compiler")
@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 200), st.integers(1, 40))
def test_the_kernel_orders_as_numpy_does(seed: int, rows: int, kinds: int) -> None:
    draw = np.random.default_rng(seed)
    users = draw.choice(np.array([*EDGES, *draw.integers(0, 2**63, kinds)], np.uint64), rows)
    times, items = draw.integers(-kinds, kinds, rows), draw.choice(np.array(EDGES, np.uint64), rows)
    actions = draw.integers(0, 3, rows).astype(np.uint8)
    for ours, theirs in zip(
        order._native(users, times, items, actions), order._numpy(users, times, items, actions), strict=True
    ):
        assert np.array_equal(ours, theirs)
