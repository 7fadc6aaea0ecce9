"""The recommender's encoder with a cache, whatever its layers are."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attention import use_backend
from models.batch import JaggedBatch, request_batch
from models.config import HstuConfig, LigrConfig, ModelConfig, SasrecConfig
from models.encoder.cache import CacheMismatch, KeyValueCache
from models.encoder.cached import candidate_states, extend, prefill
from models.families.registry import build
from models.heads.retrieval import unit
from models.interactions import Interactions
from models.recommender import Recommender

NOW = 40_000_000
BACKBONES = {
    "hstu": HstuConfig(layers=3, heads=2, head_dim=6),
    "softmax hstu": HstuConfig(layers=3, heads=2, head_dim=6, attention="softmax"),
    "sasrec": SasrecConfig(layers=3, heads=2),
    "ligr": LigrConfig(layers=3, heads=2, expansion=2),
}
every_backbone = pytest.mark.parametrize("name", BACKBONES)


def recommender(name: str = "hstu", divisor: int = 0, dtype: torch.dtype = torch.float64) -> Recommender:
    torch.manual_seed(0)
    config = ModelConfig(width=12, max_length=12, attention_divisor=divisor, backbone=BACKBONES[name])
    model = build(config, 20)
    with torch.no_grad():  # weights large enough that attention and time matter
        for parameter in model.encoder.layers.parameters():
            parameter.mul_(6)
    return model.to(dtype).eval()


def users(lengths: list[int]) -> list[tuple[list[int], list[int]]]:
    return [
        ([(7 * place + 3 * row) % 20 + 1 for place in range(length)], [place**3 * 9000 for place in range(length)])
        for row, length in enumerate(lengths)
    ]


def batch(lengths: list[int], now: int = NOW) -> JaggedBatch:
    return request_batch(Interactions.of(users(lengths)), [now] * len(lengths), 12)


def cached(model: Recommender, of: JaggedBatch, version: str = "v1") -> tuple[torch.Tensor, KeyValueCache]:
    return prefill(model.encoder, model.items(of.item_index), of, version)


def extended(model: Recommender, cache: KeyValueCache, to: JaggedBatch) -> tuple[torch.Tensor, KeyValueCache]:
    return extend(model.encoder, cache, model.items(to.item_index), to, "v1")


def full_pass(model: Recommender, of: JaggedBatch) -> torch.Tensor:
    """The state at the end of each row, zero for an empty one."""
    states = model(of)
    lengths = of.offsets.diff()
    last = states.new_zeros(len(lengths), 12)
    last[lengths > 0] = states[of.offsets[1:][lengths > 0] - 1]
    return last


def close(one: KeyValueCache, other: KeyValueCache) -> None:
    assert torch.equal(one.offsets, other.offsets)
    assert one.prefixes == other.prefixes
    for (keys, values), (other_keys, other_values) in zip(one.pairs, other.pairs, strict=True):
        torch.testing.assert_close(keys, other_keys)
        torch.testing.assert_close(values, other_values)


@every_backbone
@settings(max_examples=15, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 7), st.integers(0, 5)), min_size=1, max_size=3))
def test_an_extended_cache_is_that_of_a_full_pass(name: str, rows: list[tuple[int, int]]) -> None:
    model, longer = recommender(name), batch([before + new for before, new in rows])
    _, cache = cached(model, batch([before for before, _ in rows], now=NOW // 2))
    states, grown = extended(model, cache, longer)
    torch.testing.assert_close(states, full_pass(model, longer))
    close(grown, cached(model, longer)[1])


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-3)])
@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_it_holds_in_the_dtypes_of_production(dtype: torch.dtype, tolerance: float, backend: str) -> None:
    model, longer = recommender(dtype=dtype), batch([9, 12])
    with use_backend(backend), torch.no_grad():
        _, cache = cached(model, batch([8, 7], now=NOW // 2))
        states, _ = extended(model, cache, longer)
        torch.testing.assert_close(unit(states), unit(full_pass(model, longer)), atol=tolerance, rtol=0)


def test_only_the_last_cached_token_knew_the_request_and_is_stale() -> None:
    model = recommender()
    _, cache = cached(model, batch([6], now=NOW // 2))
    _, grown = extended(model, cache, batch([7]))
    for layer, ((keys, _), (new_keys, _)) in enumerate(zip(cache.pairs, grown.pairs, strict=True)):
        assert torch.equal(keys[:5], new_keys[:5])
        assert torch.equal(keys[5], new_keys[5]) == (layer == 0)


def test_the_clock_alone_may_move_on() -> None:
    model = recommender()
    _, cache = cached(model, batch([6], now=NOW // 2))
    states, grown = extended(model, cache, batch([6]))
    torch.testing.assert_close(states, full_pass(model, batch([6])))
    assert grown.request_times.tolist() == [NOW]


def test_caches_of_users_are_joined_and_parted() -> None:
    model = recommender()
    _, both = cached(model, batch([5, 3]))
    close(KeyValueCache.join([both.row(0), both.row(1)]), both)
    states, _ = extended(model, both.row(1), request_batch(Interactions.of([users([6, 6])[1]]), [NOW], 12))
    torch.testing.assert_close(states, full_pass(model, batch([6, 6]))[1:])
    # 3 layers of 8 tokens, keys and values of 2 heads of 6 doubles
    assert both.nbytes == 3 * 8 * 2 * 12 * 8


def changed(of: JaggedBatch, field: str, place: int, value: int) -> JaggedBatch:
    tensor = getattr(of, field).clone()
    tensor[place] = value
    return replace(of, **{field: tensor})


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (changed(batch([6, 4]), "item_index", 1, 20), "prefix of row 0 is not what was cached"),
        (changed(batch([6, 4]), "timestamps", 6, 1), "prefix of row 1 is not what was cached"),
        (changed(batch([6, 4]), "timestamps", 5, 9000), "row 0 goes back in time"),
        (batch([4, 4]), "row 0 has 4 interactions, its cache 5"),
        (batch([6]), "the cache holds 2 rows, the batch 1"),
    ],
)
def test_another_history_is_refused(other: JaggedBatch, message: str) -> None:
    model = recommender()
    _, cache = cached(model, batch([5, 3]))
    with pytest.raises(CacheMismatch, match=message):
        extended(model, cache, other)


def test_a_late_interaction_is_refused() -> None:
    model = recommender()
    _, cache = cached(model, batch([5]))
    rows, times = users([5])[0]
    late = Interactions.of([([*rows[:2], 20, *rows[2:]], [*times[:2], times[1], *times[2:]])])
    with pytest.raises(CacheMismatch, match="an interaction came late or changed"):
        extended(model, cache, request_batch(late, [NOW], 12))


def test_another_model_is_refused() -> None:
    _, cache = cached(recommender(), batch([5]))
    with pytest.raises(CacheMismatch, match="divisor of the cache is 23, of the model 40"):
        extended(recommender(divisor=40), cache, batch([6]))
    with pytest.raises(CacheMismatch, match="version of the cache is 'v1', of the model 'v2'"):
        extend(recommender().encoder, cache, torch.zeros(6, 12), batch([6]), "v2")
    with pytest.raises(CacheMismatch, match=r"dtype of the cache is torch\.float64, of the model torch\.float32"):
        extended(recommender(dtype=torch.float32), cache, batch([6]))
    fewer = recommender()
    del fewer.encoder.layers[2]
    with pytest.raises(CacheMismatch, match="layers of the cache is 3, of the model 2"):
        extended(fewer, cache, batch([6]))


@every_backbone
@pytest.mark.parametrize("micro_batch", [1, 3, 5, 8, 0])
@pytest.mark.parametrize("length", [0, 1, 7])
def test_candidates_score_as_if_each_were_the_next_item(name: str, micro_batch: int, length: int) -> None:
    model, candidates = recommender(name), torch.tensor([3, 9, 4, 3, 20])
    _, cache = cached(model, batch([length]))
    states = candidate_states(model.encoder, cache, model.items(candidates), NOW, "v1", micro_batch)
    rows, times = users([length])[0]
    for candidate, state in zip(candidates.tolist(), states, strict=True):
        alone = request_batch(Interactions.of([([*rows, candidate], [*times, NOW])]), [NOW], 12)
        torch.testing.assert_close(state, model(alone)[-1])


def test_candidates_of_another_request_or_of_several_rows_are_refused() -> None:
    model = recommender()
    _, cache = cached(model, batch([5, 3]))
    with pytest.raises(CacheMismatch, match="the cache holds 2 rows"):
        candidate_states(model.encoder, cache, torch.zeros(1, 12), NOW, "v1")
    with pytest.raises(CacheMismatch, match=f"request time of the cache is {NOW}, of the candidates {NOW + 1}"):
        candidate_states(model.encoder, cache.row(0), torch.zeros(1, 12), NOW + 1, "v1")


def test_a_history_that_fills_all_positions_has_no_place_for_candidates() -> None:
    model = recommender(divisor=12)
    _, cache = cached(model, batch([12]))
    with pytest.raises(ValueError, match="the history of 12 interactions fills all 12 positions"):
        candidate_states(model.encoder, cache, torch.zeros(1, 12), NOW, "v1")


def test_threads_share_a_cache() -> None:
    model = recommender()
    _, cache = cached(model, batch([6], now=NOW // 2))
    before = [tensor.clone() for pair in cache.pairs for tensor in pair]

    def read(new: int) -> torch.Tensor:
        states, grown = extended(model, cache, batch([6 + new % 4]))
        return torch.cat([states, candidate_states(model.encoder, grown, states, NOW, "v1", 1)])

    alone = [read(new) for new in range(16)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(read, range(16)))
    for one, other in zip(alone, together, strict=True):
        assert torch.equal(one, other)
    for tensor, kept in zip((tensor for pair in cache.pairs for tensor in pair), before, strict=True):
        assert torch.equal(tensor, kept)
