from concurrent.futures import ThreadPoolExecutor
from itertools import chain

import pytest
import torch

from models.encoder.cache import CacheIdentity, KeyValueCache
from models.encoder.pages import PagedStore

TOKEN_BYTES = 2 * 2 * 3 * 4 * 4  # layers, keys and values, heads, head_dim, fp32
IDENTITY = CacheIdentity("v1", 100, 2, "start", "always")


def cache(length: int, seed: int = 0, layers: int = 2) -> KeyValueCache:
    generator = torch.Generator().manual_seed(seed)
    return KeyValueCache(
        identity=IDENTITY,
        pairs=tuple(
            (torch.randn(length, 3, 4, generator=generator), torch.randn(length, 3, 4, generator=generator))
            for _ in range(layers)
        ),
        offsets=torch.tensor([0, length]),
        times=torch.arange(length),
        request_times=torch.tensor([seed]),
        events=torch.tensor([length]),
        prefixes=(bytes([seed]),),
    )


def same(one: KeyValueCache | None, other: KeyValueCache) -> bool:
    return (
        one is not None
        and (one.identity, one.prefixes, len(one.pairs)) == (other.identity, other.prefixes, len(other.pairs))
        and all(torch.equal(getattr(one, name), getattr(other, name)) for name in ("offsets", "times", "events"))
        and all(map(torch.equal, chain(*one.pairs), chain(*other.pairs)))
    )


@pytest.mark.parametrize("page_size", [1, 32, 128])
@pytest.mark.parametrize("length", [0, 1, 31, 32, 33, 127, 128, 300])
def test_what_is_stored_comes_back_whole(page_size: int, length: int) -> None:
    store = PagedStore(page_size, byte_budget=1000 * TOKEN_BYTES)
    assert store.put("before", cache(40, seed=1))
    assert store.put("user", cache(length))
    assert store.put("after", cache(50, seed=2))
    assert same(store.get("user"), cache(length))
    assert same(store.get("before"), cache(40, seed=1))
    assert store.get("nobody") is None


def test_the_least_recently_used_make_room() -> None:
    store = PagedStore(4, byte_budget=8 * TOKEN_BYTES)
    store.put("a", cache(4, seed=1))
    store.put("b", cache(3, seed=2))
    store.get("a")
    store.put("c", cache(1, seed=3))
    assert store.get("b") is None
    assert same(store.get("a"), cache(4, seed=1))
    assert same(store.get("c"), cache(1, seed=3))
    assert len(store) == 2


def test_a_key_has_one_cache_and_its_old_pages_are_used_again() -> None:
    store = PagedStore(4, byte_budget=8 * TOKEN_BYTES)
    store.put("other", cache(1, seed=9))
    for seed in range(5):
        assert store.put("a", cache(4, seed))
    assert same(store.get("a"), cache(4, 4))
    assert same(store.get("other"), cache(1, 9))


def test_an_evicted_cache_computed_again_is_as_fresh() -> None:
    store = PagedStore(4, byte_budget=8 * TOKEN_BYTES)
    store.put("a", cache(7, seed=1))
    taken = store.get("a")
    store.evict("a")
    store.evict("a")
    store.put("b", cache(8, seed=2))
    assert store.get("a") is None
    assert same(taken, cache(7, seed=1))
    store.put("a", cache(7, seed=1))
    assert same(store.get("a"), cache(7, seed=1))


def test_what_is_over_the_budget_is_not_stored() -> None:
    store = PagedStore(4, byte_budget=8 * TOKEN_BYTES + 1)
    store.put("a", cache(8, seed=1))
    assert not store.put("b", cache(9))
    assert store.get("b") is None
    assert same(store.get("a"), cache(8, seed=1))
    assert not store.put("a", cache(9))
    assert store.get("a") is None


def test_threads_get_what_was_put() -> None:
    store = PagedStore(2, byte_budget=30 * TOKEN_BYTES)

    def work(seed: int) -> bool:
        key = seed % 7
        store.put(key, cache(3 + key, seed=key))
        found = store.get((key + 3) % 7)
        return found is None or same(found, cache(3 + (key + 3) % 7, seed=(key + 3) % 7))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(400)))


def test_several_rows_and_other_shapes_are_refused() -> None:
    store = PagedStore(2, byte_budget=30 * TOKEN_BYTES)
    with pytest.raises(ValueError, match=r"a cache of 2 rows has no one key: store cache\.row\(i\)"):
        store.put("a", KeyValueCache.join([cache(3), cache(3)]))
    store.put("a", cache(3))
    with pytest.raises(ValueError, match="one store holds caches of one model shape"):
        store.put("a", cache(3, layers=3))
    with pytest.raises(ValueError, match="page_size 0"):
        PagedStore(0, 1)
