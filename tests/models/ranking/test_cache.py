"""The ranker with a cache: M-FALCON, and histories that grow."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attention import use_backend
from models.attention.dispatch import Backend
from models.encoder.cache import CacheMismatch
from models.ranking.batch import RankingBatch
from models.ranking.config import RankerConfig
from models.ranking.ranker import Ranker
from tests.models.ranking.worlds import DAY, EPOCH, config, events, ranker, requests

NOW = EPOCH + 3 * DAY
SLOTS = [[1, 5]]
CONFIGS = {
    "published": config(),
    "group norm, window, tail": config(window=3, full_tail=2, output_norm="group"),
    "context": config(context=(4, 7)),
    "context that sees all": config(context=(4, 7), context_sees_all=True, window=4),
    "start": config("start"),
    "start, context, window": config("start", context=(4, 7), window=3),
}
GROWING = [name for name in CONFIGS if name.startswith("start")]
CANDIDATES = [3, 1, 4, 1, 5, 9, 2]


def slots(of: RankerConfig, rows: int = 1) -> list[list[int]] | None:
    return SLOTS * rows if of.context else None


def history(of: RankerConfig, length: int, now: int = NOW) -> RankingBatch:
    return requests(events([length]), [[]], slots(of), now)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("micro_batch", [1, 3, 7, 100, 0])
@pytest.mark.parametrize("length", [0, 1, 9])
def test_micro_batches_score_as_one_by_one_and_as_one_full_pass(name: str, micro_batch: int, length: int) -> None:
    of = CONFIGS[name]
    model, user = ranker(of), events([length])
    cache = model.prefill(history(of, length), "v1")
    scores = model.score(cache, torch.tensor(CANDIDATES), NOW, "v1", micro_batch)
    torch.testing.assert_close(scores, model(requests(user, [CANDIDATES], slots(of))))
    for candidate, alone in zip(CANDIDATES, scores, strict=True):
        torch.testing.assert_close(model(requests(user, [[candidate]], slots(of)))[0], alone)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-3)])
def test_it_holds_in_the_dtypes_of_production(backend: Backend, dtype: torch.dtype, tolerance: float) -> None:
    of = CONFIGS["start, context, window"]
    model, user = ranker(of, dtype), events([12])
    with use_backend(backend), torch.no_grad():
        cache = model.extend(model.prefill(history(of, 8), "v1"), history(of, 12), "v1")
        scores = model.score(cache, torch.tensor(CANDIDATES), NOW, "v1", 3)
        expected = model(requests(user, [CANDIDATES], slots(of)))
        torch.testing.assert_close(scores, expected, atol=tolerance, rtol=0)


def test_no_candidates_give_no_scores() -> None:
    model = ranker(config())
    cache = model.prefill(history(config(), 5), "v1")
    assert model.score(cache, torch.tensor([], dtype=torch.int64), NOW, "v1").shape == (0, 3)


@pytest.mark.parametrize("name", GROWING)
@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 8), st.integers(0, 8)), min_size=1, max_size=3))
def test_an_extended_cache_is_that_of_a_full_pass(name: str, rows: list[tuple[int, int]]) -> None:
    of = CONFIGS[name]
    model = ranker(of)
    longer, shorter = events([before + new for before, new in rows]), events([before for before, _ in rows])
    nobody: list[list[int]] = [[]] * len(rows)
    cache = model.prefill(requests(shorter, nobody, slots(of, len(rows))), "v1")
    grown = model.extend(cache, requests(longer, nobody, slots(of, len(rows)), NOW + DAY), "v1")
    whole = model.prefill(requests(longer, nobody, slots(of, len(rows))), "v1")
    for (keys, values), (whole_keys, whole_values) in zip(grown.pairs, whole.pairs, strict=True):
        torch.testing.assert_close(keys, whole_keys)
        torch.testing.assert_close(values, whole_values)
    assert grown.prefixes == whole.prefixes
    scores = model.score(grown.row(0), torch.tensor(CANDIDATES), NOW + 2 * DAY, "v1")
    torch.testing.assert_close(scores, model(requests(longer[:1], [CANDIDATES], slots(of), NOW + 2 * DAY)))


@pytest.mark.parametrize(
    "of",
    [
        *(of for name, of in CONFIGS.items() if name not in GROWING),
        config("start", context=(4, 7), context_sees_all=True),
        config("start", window=3, full_tail=2),
    ],
)
def test_a_cache_that_knows_its_request_or_the_end_of_the_history_serves_no_other(of: RankerConfig) -> None:
    model = ranker(of)
    cache = model.prefill(history(of, 5), "v1")
    with pytest.raises(CacheMismatch, match="compute a new one, or train a model whose positions count from the start"):
        model.extend(cache, history(of, 6), "v1")
    with pytest.raises(CacheMismatch, match=rf"{NOW}, .* {NOW + 1}: extend it"):
        model.score(cache, torch.tensor([1]), NOW + 1, "v1")


def twin(of: RankerConfig, **changes: object) -> Ranker:
    return ranker(RankerConfig.model_validate({**of.model_dump(), **changes}))


def test_another_model_is_refused() -> None:
    of = config("start")
    cache = ranker(of).prefill(history(of, 5), "v1")
    one = torch.tensor([1])
    for model, version, message in (
        (ranker(of), "v2", "version of the cache is 'v1', of the model 'v2'"),
        (twin(of, attention_divisor=18), "v1", "divisor of the cache is 17, of the model 18"),
        (ranker(config()), "v1", "positions of the cache is 'start', of the model 'recency'"),
        (ranker(config("start", layers=1)), "v1", "layers of the cache is 2, of the model 1"),
        (ranker(of, torch.float32), "v1", r"dtype of the cache is torch\.float64, of the model torch\.float32"),
    ):
        with pytest.raises(CacheMismatch, match=message):
            model.score(cache, one, NOW, version)
        with pytest.raises(CacheMismatch, match=message):
            model.extend(cache, history(of, 6), version)


@pytest.mark.parametrize("place", [0, 4])
@pytest.mark.parametrize("column", ["item_index", "actions", "timestamps", "context"])
def test_a_history_that_changed_is_refused(column: str, place: int) -> None:
    of = config("start", context=(4, 7))
    model, longer = ranker(of), history(of, 6)
    cache = model.prefill(history(of, 5), "v1")
    values = getattr(longer, column).clone()
    values.view(-1)[place % len(values.view(-1))] ^= 1
    with pytest.raises(CacheMismatch, match="prefix of row 0"):
        model.extend(cache, replace(longer, **{column: values}), "v1")


def test_a_window_of_the_history_that_moved_on_is_refused() -> None:
    of = config("start")
    model = ranker(of)
    cache = model.prefill(requests(events([16]), [[]]), "v1")
    with pytest.raises(CacheMismatch, match="prefix of row 0"):
        model.extend(cache, requests(events([17]), [[]]), "v1")


def test_candidates_are_never_cached() -> None:
    model = ranker(config())
    with pytest.raises(ValueError, match="row 1 has candidates: a cache holds histories alone"):
        model.prefill(requests(events([3, 3]), [[], [1]]), "v1")


def test_a_model_in_training_mode_is_refused() -> None:
    model = ranker(config())
    cache = model.prefill(history(config(), 3), "v1")
    model.train()
    with pytest.raises(ValueError, match="training mode"):
        model.prefill(history(config(), 3), "v1")
    with pytest.raises(ValueError, match="training mode"):
        model.score(cache, torch.tensor([1]), NOW, "v1")


def test_an_unknown_candidate_is_named() -> None:
    model = ranker(config())
    with pytest.raises(ValueError, match="candidate 2 is not in the vocabulary"):
        model.score(model.prefill(history(config(), 3), "v1"), torch.tensor([5, 1, 0]), NOW, "v1")


def test_scoring_leaves_the_cache_and_threads_alone() -> None:
    of = config("start")
    model = ranker(of)
    cache = model.prefill(history(of, 9), "v1")
    before = [tensor.clone() for pair in cache.pairs for tensor in pair]

    def score(seed: int) -> torch.Tensor:
        return model.score(cache, torch.tensor(CANDIDATES).roll(seed), NOW + seed, "v1", 1 + seed % 4)

    alone = [score(seed) for seed in range(16)]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(score, range(16)), strict=True):
            assert torch.equal(one, other)
    for tensor, kept in zip((tensor for pair in cache.pairs for tensor in pair), before, strict=True):
        assert torch.equal(tensor, kept)
