"""Items' quality and users' leniency as offsets: what they are made of, and what never reaches them."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logit
from torch import Tensor

from models.argus.config import ArgusConfig, QualityConfig
from models.argus.examples import ArgusExamples
from models.argus.model import Argus
from models.argus.quality import Quality
from models.columns import ACTIONS, VALUE
from models.config.training import TrainingConfig
from models.interactions import Interactions
from models.training.loop import fit
from tests.models.argus.test_leakage import changed
from tests.models.argus.worlds import ITEMS, argus, config, people

FOLDS = 3
LENGTHS = [8, 5, 7, 6, 8, 4, 8, 8]


def counted(users: Interactions, of: ArgusConfig) -> tuple[Argus, Quality]:
    """A model, untrained, that has counted what `users` did."""
    model = argus(of)
    assert model.quality is not None
    examples = ArgusExamples(users, of)
    model.quality.learn(examples.owners, examples.items, examples.labels())
    return model, model.quality


def offsets(quality: Quality, users: Interactions, of: ArgusConfig, training: bool) -> Tensor:
    """(L, classes) in the order of the interactions."""
    examples = ArgusExamples(users, of)
    batch = examples.batch(np.arange(len(examples)))
    with torch.no_grad():
        said = quality.train(training)(batch)
    return torch.full((len(users.timestamps), said.shape[1]), torch.nan).index_copy(0, batch.asked, said)


@pytest.mark.parametrize("form", ["summed", "interleaved"])
@settings(max_examples=10, deadline=None)
@given(place=st.integers(0, sum(LENGTHS) - 1), seed=st.integers(0, 99))
def test_no_label_is_known_by_its_own_offset_in_training(form: str, place: int, seed: int) -> None:
    """Nor are those that follow, nor what others of the user's fold did."""
    of, users = config(form=form, quality={"folds": FOLDS}), people(LENGTHS, seed)
    owner = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    hidden = (owner % FOLDS == owner[place] % FOLDS) & ((owner != owner[place]) | (np.arange(len(owner)) >= place))
    other = changed(users, (ACTIONS, VALUE), np.flatnonzero(hidden))
    (_, ours), (_, theirs) = counted(users, of), counted(other, of)
    said = offsets(ours, users, of, True)[place]
    assert torch.equal(offsets(theirs, other, of, True)[place].nan_to_num(7), said.nan_to_num(7))


def test_what_other_folds_made_of_the_item_is_known_and_what_the_user_did_before() -> None:
    of, users = config(quality={"folds": FOLDS}), people(LENGTHS)
    owner = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    _, quality = counted(users, of)
    said = offsets(quality, users, of, True)
    before = offsets(quality, changed(users, (ACTIONS, VALUE), np.array([2])), of, True)
    assert not torch.equal(before[4], said[4])
    assert torch.equal(before[:3], said[:3])
    others = np.flatnonzero(owner % FOLDS != owner[0] % FOLDS)
    _, told = counted(changed(users, (ACTIONS,), others), of)
    assert not torch.equal(offsets(told, users, of, True)[0], said[0])


def test_after_training_answers_come_from_all_that_was_learned_from() -> None:
    of, users = config(quality={"folds": FOLDS}), people(LENGTHS)
    model, quality = counted(users, of)
    _, told = counted(changed(users, (ACTIONS,), np.array([0])), of)
    assert not torch.equal(told.of_item, quality.of_item)
    assert torch.equal(offsets(quality, users, of, False)[0], offsets(quality, users, of, False)[0])
    again = argus(of)
    again.load_state_dict(model.state_dict())
    assert again.quality is not None
    assert torch.equal(offsets(again.quality, users, of, False), offsets(quality, users, of, False))


def test_quality_is_told_apart_from_who_saw_it() -> None:
    """Two items are equally good; one was shown to the lenient, so that its rate is twice the other's."""
    draw = np.random.default_rng(0)
    lenient = np.arange(400) % 2 == 0
    users, items = np.repeat(np.arange(400), 20), draw.integers(3, ITEMS + 1, 8000)
    items[::20] = np.where(lenient, 1, np.where(draw.random(400) < 0.1, 1, 2))
    items[1::20] = np.where(lenient, np.where(draw.random(400) < 0.1, 2, 1), 2)
    liked = draw.random(8000) < np.where(lenient[users], 0.8, 0.2)
    quality = Quality(config(), QualityConfig(), ITEMS)
    quality.learn(users, items, np.stack([liked, -np.ones(8000)], axis=1).astype(np.int64))
    rates = [logit(liked[items == item].mean()) for item in (1, 2)]
    assert rates[0] - rates[1] > 1.5
    assert abs(float(quality.of_item[1, 0] - quality.of_item[2, 0])) < 0.75
    assert quality.of_item[:, 1:].isfinite().all(), "where no label is known nothing is counted"


@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_it_is_trained_with_and_every_scale_learns(form: str) -> None:
    of = config(form=form, quality={"folds": 2})
    model = Argus(of, ITEMS)
    fit(model, people([8] * 30), TrainingConfig(epochs=2, batch_size=8))
    assert model.quality is not None
    for scale in (model.quality.item_scale, model.quality.user_scale):
        assert scale.isfinite().all()
        assert (scale != 1).all()
