import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.batch import training_batch
from models.config.losses import FutureTargetsConfig, SampledSoftmaxConfig
from models.heads.calendar import HOUR_MS
from models.interactions import Interactions
from models.next_items import NextItems
from models.objectives.future_targets import FutureTargets
from tests.models.objectives.test_next_item import task

ROWS = st.lists(st.lists(st.integers(0, 100), min_size=1, max_size=7), min_size=1, max_size=4)


@given(ROWS, st.integers(1, 4), st.none() | st.floats(0.5, 50), st.none() | st.floats(1, 50))
def test_each_position_tells_what_follows_in_its_own_row(
    gaps: list[list[int]], count: int, half_life: float | None, window: float | None
) -> None:
    hours = [np.cumsum(row).tolist() for row in gaps]
    histories = Interactions.of([(range(1, len(row) + 1), [hour * HOUR_MS for hour in row]) for row in hours])
    batch, _ = training_batch(histories, np.arange(len(hours)), 10)
    config = FutureTargetsConfig(count=count, half_life_hours=half_life, window_hours=window)
    asked = FutureTargets.of(batch, config)

    expected, start = {}, 0
    for row in hours:
        for place in range(len(row) - 1):
            for ahead in range(count):
                if place + 1 + ahead < len(row):
                    age = row[place + 1 + ahead] - row[place]
                    weight = 0.5 ** (age / half_life) if half_life else 1.0
                    inside = window is None or age <= window
                    expected[start + place, start + place + ahead] = weight if inside else 0.0
        start += len(row) - 1
    found = zip(asked.positions.tolist(), asked.labels.tolist(), asked.weights.tolist(), strict=True)
    assert {(position, label): weight for position, label, weight in found} == pytest.approx(expected, rel=1e-4)


HISTORIES = Interactions.of([([1, 2, 3, 2], [0, 1, 2, 3]), ([5, 1], [0, 9]), ([4], [0])])


@pytest.mark.parametrize("shared", [True, False])
def test_one_target_that_does_not_decay_is_the_next_item_to_the_bit(shared: bool) -> None:
    batch, labels = training_batch(HISTORIES, np.arange(3), 4)
    losses = []
    for targets in (FutureTargetsConfig(), FutureTargetsConfig(window_hours=1e9)):
        assert targets.next_alone is (targets.window_hours is None)
        objective, model = task(SampledSoftmaxConfig(negatives=6, shared=shared, targets=targets))
        loss, _ = objective(NextItems(batch, labels), torch.Generator().manual_seed(4))
        loss.backward()
        losses.append((loss, model.items.ids.weight.grad))
    assert torch.equal(losses[0][0], losses[1][0])
    assert torch.equal(losses[0][1], losses[1][1])


@pytest.mark.parametrize("shared", [True, False])
def test_the_loss_is_the_weighted_mean_over_the_set(shared: bool) -> None:
    batch, labels = training_batch(HISTORIES, np.arange(3), 4)
    targets = FutureTargetsConfig(count=3, half_life_hours=1 / HOUR_MS)
    objective, model = task(SampledSoftmaxConfig(negatives=6, shared=shared, targets=targets))
    loss, _ = objective(NextItems(batch, labels), torch.Generator().manual_seed(4))

    asked = FutureTargets.of(batch, targets)
    generator = torch.Generator().manual_seed(4)
    torch.rand(batch.item_index.shape, generator=generator)
    drawn = torch.randint(1, 31, (6,) if shared else (len(asked.positions), 6), generator=generator)
    states, table = model(batch), model.items(torch.arange(31))
    terms = []
    for question, (position, at) in enumerate(zip(asked.positions.tolist(), asked.labels.tolist(), strict=True)):
        label = int(labels.item_index[at])
        rows = (drawn if shared else drawn[question]).tolist()
        logits = (
            torch.cosine_similarity(states[position], table[[label, *(row for row in rows if row != label)]]) / 0.05
        )
        terms.append(logits.logsumexp(0) - logits[0])
    expected = (torch.stack(terms) * asked.weights).sum() / asked.weights.sum()
    torch.testing.assert_close(loss, expected)
    assert len(terms) > len(labels.item_index)
