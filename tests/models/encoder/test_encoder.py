"""What every backbone owes, whichever name the config holds."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.batch import JaggedBatch, request_batch
from models.config.losses import SampledSoftmaxConfig
from models.config.model import Backbone, HstuConfig, LigrConfig, ModelConfig, SasrecConfig
from models.config.training import TrainingConfig
from models.encoder.hstu import HstuLayer
from models.encoder.softmax_hstu import SoftmaxHstuLayer
from models.encoder.transformer import LigrLayer, SasrecLayer
from models.evaluation.next_item_ndcg import next_item_ndcg
from models.families.registry import build
from models.heads.evidence import Evidence
from models.interactions import Interactions
from models.recommender import Recommender
from models.training.loop import fit

BACKBONES: dict[str, Backbone] = {
    "hstu": HstuConfig(layers=2, heads=2, head_dim=6),
    "softmax hstu": HstuConfig(layers=2, heads=2, head_dim=6, attention="softmax"),
    "sasrec": SasrecConfig(layers=2, heads=2),
    "ligr": LigrConfig(layers=2, heads=2, expansion=2),
}
every_backbone = pytest.mark.parametrize("name", BACKBONES)
users = st.lists(st.lists(st.integers(1, 20), max_size=6), min_size=2, max_size=4)


def recommender(name: str) -> Recommender:
    torch.manual_seed(0)
    model = build(ModelConfig(width=12, max_length=8, backbone=BACKBONES[name]), 20).double().eval()
    with torch.no_grad():  # weights large enough that attention matters
        for parameter in model.encoder.layers.parameters():
            parameter.mul_(3)
    return model


def batch(*users: list[int]) -> JaggedBatch:
    histories = Interactions.of([(rows, [60_000 * place for place in range(len(rows))]) for rows in users])
    return request_batch(histories, np.full(len(users), 10**6), max_length=8)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("hstu", HstuLayer), ("softmax hstu", SoftmaxHstuLayer), ("sasrec", SasrecLayer), ("ligr", LigrLayer)],
)
def test_the_config_names_the_layer(name: str, layer: type) -> None:
    assert type(build(ModelConfig(width=12, backbone=BACKBONES[name]), 20).encoder.layers[0]) is layer


@every_backbone
def test_the_future_does_not_reach_the_past(name: str) -> None:
    model = recommender(name)
    one, other = model(batch([3, 4, 5, 6])), model(batch([3, 4, 5, 7]))
    assert torch.equal(one[:3], other[:3])
    assert not torch.allclose(one[3], other[3])


@every_backbone
def test_the_past_reaches_the_future(name: str) -> None:
    model = recommender(name)
    one, other = model(batch([3, 4, 5, 6])), model(batch([7, 4, 5, 6]))
    assert not torch.allclose(one[3], other[3])


@every_backbone
@settings(deadline=None)
@given(users=users)
def test_users_do_not_depend_on_their_batch(name: str, users: list[list[int]]) -> None:
    model = recommender(name)
    alone = [model(batch(rows)) for rows in users]
    torch.testing.assert_close(model(batch(*users)), torch.cat(alone))


@every_backbone
def test_order_matters(name: str) -> None:
    model = recommender(name)
    assert not torch.allclose(model(batch([3, 4, 5]))[2], model(batch([4, 3, 5]))[2])


@every_backbone
def test_states_have_unit_norm_and_all_parameters_learn(name: str) -> None:
    model = recommender(name).train()
    read = batch([3, 4, 5], [], [6])
    states = model.head(model(read), Evidence.of(read))
    torch.testing.assert_close(states.norm(dim=-1), torch.ones(4))
    (states * torch.randn_like(states)).sum().backward()
    idle = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert idle == []


def test_the_longest_row_that_fits_and_one_that_does_not() -> None:
    model, whole = recommender("hstu"), Interactions.of([([1], [0]), (list(range(1, 10)), list(range(9)))])
    assert model(request_batch(whole, np.array([9, 9]), max_length=8)).shape == (9, 12)
    with pytest.raises(ValueError, match="row 1 of the batch has 9 tokens, but the model reads at most 8"):
        model(request_batch(whole, np.array([9, 9]), max_length=9))


@every_backbone
def test_nothing_in_nothing_out(name: str) -> None:
    assert recommender(name)(batch([], [])).shape == (0, 12)
    assert recommender(name)(batch()).shape == (0, 12)


@every_backbone
def test_a_nan_stays_with_its_user(name: str) -> None:
    model, given = recommender(name), batch([3, 4, 5], [6, 7])
    vectors = model.items(given.item_index)
    clean = model.encoder(vectors, given)
    vectors[4] = torch.nan
    spoilt = model.encoder(vectors, given)
    assert torch.equal(spoilt[:3], clean[:3])
    assert spoilt[4].isnan().all()


@every_backbone
def test_it_learns_what_comes_next(name: str) -> None:
    """Users walk through 30 items in steps of three."""
    starts = np.random.default_rng(0).integers(0, 30, 64)
    walks = [[int((start + 3 * step) % 30) + 1 for step in range(8)] for start in starts]
    histories = Interactions.of([(walk, [60_000 * step for step in range(8)]) for walk in walks])
    torch.manual_seed(0)
    model = build(ModelConfig(width=12, max_length=8, backbone=BACKBONES[name]), 30)
    asked = Interactions.of([(walk[:7], [60_000 * step for step in range(7)]) for walk in walks])
    targets, times = np.array([walk[7] for walk in walks]), np.full(64, 420_000)
    before = next_item_ndcg(model, asked, targets, times, k=10)
    loss = SampledSoftmaxConfig(negatives=32, shared=True)
    fit(model, histories, TrainingConfig(epochs=40, batch_size=16, learning_rate=1e-2, loss=loss))
    assert before < 0.5
    assert next_item_ndcg(model, asked, targets, times, k=10) > 0.8
