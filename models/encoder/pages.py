"""A store of caches in pages of equal size: no fragmentation, and a bound on bytes (HSTU spec section 9)."""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from threading import Lock

import torch
from torch import Tensor

from models.encoder.cache import KeyValueCache


@dataclass(frozen=True)
class _Entry:
    """A stored cache: everything but its keys and values, and the pages that hold those, in order."""

    rest: KeyValueCache
    pages: list[int]


class PagedStore:
    """Caches of one row each, by the caller's key; the least recently used make room for new ones.

    Safe to use from several threads. What `get` returns is a copy, so a later eviction cannot touch it.

    Args:
        page_size: Tokens per page.
        byte_budget: Upper bound of the bytes of all pages, which are taken at the first `put`.
    """

    def __init__(self, page_size: int, byte_budget: int) -> None:
        if page_size < 1:
            raise ValueError(f"page_size {page_size} holds no token: use 1 or more")
        self.page_size, self.byte_budget = page_size, byte_budget
        self._lock = Lock()
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._pages: Tensor | None = None
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, key: Hashable, cache: KeyValueCache) -> bool:
        """Stores the cache, in place of what `key` had. False, and `key` has nothing, where it is over the budget.

        Raises:
            ValueError: the cache is of more rows than one, or shaped unlike those already stored.
        """
        if len(cache) != 1:
            raise ValueError(f"a cache of {len(cache)} rows has no one key: store cache.row(i)")
        tokens = torch.stack([torch.stack(pair, dim=1) for pair in cache.pairs], dim=1)
        needed = -(-len(tokens) // self.page_size)
        with self._lock:
            self._drop(key)
            self._take_memory(tokens)
            assert self._pages is not None
            if needed > len(self._pages):
                return False
            while len(self._free) < needed:
                self._drop(next(iter(self._entries)))
            pages = [self._free.pop() for _ in range(needed)]
            for page, part in zip(pages, tokens.split(self.page_size), strict=False):
                self._pages[page, : len(part)] = part
            self._entries[key] = _Entry(replace(cache, pairs=()), pages)
            return True

    def get(self, key: Hashable) -> KeyValueCache | None:
        """The cache stored under `key`, now the most recently used; None where there is none."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or self._pages is None:
                return None
            self._entries.move_to_end(key)
            tokens = self._pages[entry.pages].flatten(0, 1)[: len(entry.rest.times)]
        pairs = tuple((layer[:, 0].contiguous(), layer[:, 1].contiguous()) for layer in tokens.unbind(1))
        return replace(entry.rest, pairs=pairs)

    def evict(self, key: Hashable) -> None:
        """Forgets what `key` has, if anything."""
        with self._lock:
            self._drop(key)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._free.extend(entry.pages)

    def _take_memory(self, tokens: Tensor) -> None:
        """The pages, (P, page_size, layers, 2, heads, head_dim), once it is known what a token is."""
        if self._pages is None:
            page_bytes = self.page_size * tokens.shape[1:].numel() * tokens.element_size()
            count = self.byte_budget // page_bytes
            self._pages = tokens.new_empty(count, self.page_size, *tokens.shape[1:])
            self._free = list(range(count))
        if self._pages.shape[2:] != tokens.shape[1:] or self._pages.dtype != tokens.dtype:
            raise ValueError(
                f"tokens of shape {tuple(tokens.shape[1:])} {tokens.dtype} do not fit pages of "
                f"{tuple(self._pages.shape[2:])} {self._pages.dtype}: one store holds caches of one model shape"
            )
