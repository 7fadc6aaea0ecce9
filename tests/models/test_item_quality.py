"""Items' quality, where who sees them is no accident."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import expit

from models.evaluation.item_rates import ItemRates
from models.item_quality import ItemQuality


def test_quality_is_told_from_leniency() -> None:
    draw = np.random.default_rng(0)
    quality, leniency = draw.normal(size=20), 2 * draw.normal(size=500)
    users = draw.integers(0, 500, 15_000)
    # The good items are shown to the strict users: rates say nothing.
    odds = np.exp(-quality[None] * leniency[:, None])
    shares = np.cumsum(odds / odds.sum(1, keepdims=True), axis=1)[users]
    items = np.minimum((draw.random(15_000)[:, None] > shares).sum(1), 19) + 1
    taken = draw.random(15_000) < expit(quality[items - 1] + leniency[users])
    everything = np.arange(1, 21)
    counted = ItemRates(items, taken[:, None], 20).logits(everything)[:, 0]
    told = ItemQuality(users, items, taken[:, None], 20).logits(everything)[:, 0]
    assert np.corrcoef(counted, quality)[0, 1] < 0.5
    assert np.corrcoef(told, quality)[0, 1] > 0.97


@settings(max_examples=40)
@given(data=st.data(), count=st.integers(1, 60))
def test_logits_are_finite_and_right_in_the_mean(data: st.DataObject, count: int) -> None:
    users, items = (data.draw(arrays(np.int64, count, elements=st.integers(0, 5))) for _ in range(2))
    taken = data.draw(arrays(np.bool_, (count, 2)))
    found = ItemQuality(users, items, taken, 7)
    assert np.isfinite(found.logits(np.arange(8))).all()
    said = expit(found.logits(items).astype(np.float64)).mean(axis=0)
    for action in range(2):
        if 0 < taken[:, action].sum() < count:
            assert said[action] == pytest.approx(taken[:, action].mean(), abs=1e-3)
