import torch

from models.batch import JaggedBatch, request_batch
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.heads.evidence import Evidence
from models.interactions import Interactions
from models.recommender import Recommender

CONFIG = ModelConfig(width=12, max_length=8, backbone=HstuConfig(layers=2, heads=2, head_dim=6))


def recommender(config: ModelConfig = CONFIG, items: int = 20) -> Recommender:
    torch.manual_seed(0)
    model = build(config, items).double().eval()
    with torch.no_grad():  # weights large enough that attention matters
        for parameter in model.encoder.layers.parameters():
            parameter.mul_(20)
    return model


def batch(rows: list[int], times: list[int], request: int) -> JaggedBatch:
    return request_batch(Interactions.of([(rows, times)]), [request], max_length=8)


def test_the_future_does_not_reach_the_past() -> None:
    model = recommender()
    one = model(batch([3, 4, 5, 6], [0, 1000, 9000, 50_000], 90_000))
    other = model(batch([3, 4, 5, 7], [0, 1000, 9000, 50_000], 90_000))
    assert torch.equal(one[:3], other[:3])
    assert not torch.allclose(one[3], other[3])


def test_request_time_reaches_only_the_last_state() -> None:
    model = recommender()
    now = model(batch([3, 4, 5], [0, 1000, 9000], 10_000))
    later = model(batch([3, 4, 5], [0, 1000, 9000], 10_000_000))
    assert torch.equal(now[:2], later[:2])
    assert not torch.allclose(now[2], later[2])


def test_only_differences_of_time_matter() -> None:
    model = recommender()
    early = model(batch([3, 4, 5], [0, 1000, 9000], 10_000))
    late = model(batch([3, 4, 5], [10**12, 10**12 + 1000, 10**12 + 9000], 10**12 + 10_000))
    assert torch.equal(early, late)


def test_users_do_not_depend_on_their_batch() -> None:
    model = recommender()
    users = [([1, 2, 3], [0, 5000, 9000]), ([4], [0]), ([5, 6, 7, 8, 9], [0, 1, 2, 3, 4])]
    together = model(request_batch(Interactions.of(users), [10_000] * 3, max_length=8))
    alone = [model(request_batch(Interactions.of([user]), [10_000], max_length=8)) for user in users]
    torch.testing.assert_close(together, torch.cat(alone))


def test_the_head_gives_states_unit_norm() -> None:
    model = recommender()
    read = batch([3, 4, 5], [0, 1000, 9000], 10_000)
    raw = model(read)
    states = model.head(raw, Evidence.of(read))
    assert not torch.allclose(raw.norm(dim=-1), torch.ones(3, dtype=raw.dtype))
    torch.testing.assert_close(states.norm(dim=-1).double(), torch.ones(3, dtype=torch.float64))


def test_published_sizes() -> None:
    config = ModelConfig(width=50, max_length=200, backbone=HstuConfig(layers=2, heads=1, head_dim=50))
    model = build(config, 3951)  # with the out-of-vocabulary vector: 3,952 rows
    assert config.attention_divisor == 211
    assert sum(p.numel() for p in model.encoder.layers[0].parameters()) == 13_100
    # The published table has a row for padding, too.
    assert sum(p.numel() for p in model.parameters()) + 50 == 234_400


def test_content_alone_tells_cold_items_apart() -> None:
    config = CONFIG.model_copy(update={"items": ItemTowerConfig(content_dim=4)})
    content = torch.zeros(6, 4)
    content[4, 0] = content[5, 1] = 1.0
    model = build(config, 5, torch.tensor([1, 2]), content)
    vectors = model.items.table(torch.arange(6))
    assert torch.equal(vectors[0], torch.zeros(12))
    torch.testing.assert_close(vectors[3], model.items.ids.weight[0].detach())
    assert not torch.allclose(vectors[4], vectors[5])
    hidden = model.items(torch.tensor([1]), masked=torch.tensor([True]))
    torch.testing.assert_close(hidden[0], model.items.ids.weight[0])
