"""How often an action is taken on an item, as a scorer of what is shown."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.evaluation.item_rates import PRIOR_SHOWN, ItemRates

SHOWN = st.lists(st.tuples(st.integers(1, 4), st.booleans()), min_size=1, max_size=40)


@given(shown=SHOWN)
def test_rates_lie_between_the_items_own_and_that_of_all(shown: list[tuple[int, bool]]) -> None:
    items, taken = np.array([item for item, _ in shown]), np.array([[done] for _, done in shown])
    counted = ItemRates(items, taken, 5)
    said = 1 / (1 + np.exp(-counted.logits(np.arange(6))[:, 0].astype(np.float64)))
    base = float(counted.base[0])
    assert 0 < base < 1
    for item in range(6):
        own = taken[items == item, 0]
        expected = (own.sum() + PRIOR_SHOWN * base) / (len(own) + PRIOR_SHOWN)
        assert said[item] == pytest.approx(expected, rel=1e-4)
    assert counted.base_logits(3).shape == (3, 1)
    assert counted.base_logits(1)[0, 0] == pytest.approx(np.log(base / (1 - base)), rel=1e-4)
