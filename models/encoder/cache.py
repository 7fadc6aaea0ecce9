"""Cached keys and values: what later tokens read of a history, as a value that its caller owns (HSTU spec section 6).

No model remembers anything. A cache is made by one call and handed to the next; nobody writes into it, so threads may
read one cache at once. It says what it holds for, and whoever reads it compares.

Shapes: B rows, L cached tokens in all, h heads, d width of a head.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Literal

import torch
from torch import Tensor

from models.jagged import cumulative, token_places

Validity = Literal["always", "until_next", "this_request"]
"""How long cached tokens hold: for ever; all but each row's last, which knows when the next interaction or the request
happens; or none beyond the request they were computed for, because positions and ages count from it."""

Pair = tuple[Tensor, Tensor]
"""One layer's (L, h, d) keys and values."""


class CacheMismatch(ValueError):
    """The cache was not made by this model, or not from the beginning of this history."""


@dataclass(frozen=True)
class CacheIdentity:
    """What a cache and its reader must have in common.

    Attributes:
        version: The caller's name for the model's weights.
        divisor: N.
        layers: Number of layers.
        positions: How positions are encoded.
        validity: How long cached tokens hold.
    """

    version: str
    divisor: int
    layers: int
    positions: str
    validity: Validity


@dataclass(frozen=True, eq=False)
class KeyValueCache:
    """Keys and values of B histories.

    Attributes:
        identity: What made it.
        pairs: Per layer, the keys and values of all tokens.
        offsets: (B + 1,) int64 row boundaries of the tokens.
        times: (L,) int64 ms, when each token happened.
        request_times: (B,) int64 ms, the request it was made for.
        events: (B,) int64, how many interactions each row holds; the tokens besides are context.
        prefixes: One digest per row, of the interactions and the context.
    """

    identity: CacheIdentity
    pairs: tuple[Pair, ...]
    offsets: Tensor
    times: Tensor
    request_times: Tensor
    events: Tensor
    prefixes: tuple[bytes, ...]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of all keys and values."""
        return sum(tensor.nbytes for pair in self.pairs for tensor in pair)

    def row(self, row: int) -> "KeyValueCache":
        """The cache of one row, without a copy."""
        start, end = self.offsets[row : row + 2].tolist()
        return KeyValueCache(
            identity=self.identity,
            pairs=tuple((keys[start:end], values[start:end]) for keys, values in self.pairs),
            offsets=self.offsets[row : row + 2] - start,
            times=self.times[start:end],
            request_times=self.request_times[row : row + 1],
            events=self.events[row : row + 1],
            prefixes=self.prefixes[row : row + 1],
        )

    @classmethod
    def join(cls, caches: Sequence["KeyValueCache"]) -> "KeyValueCache":
        """One cache of all the rows of `caches`, in order.

        Raises:
            CacheMismatch: they were made by different models.
        """
        for cache in caches:
            _check_identity(cache, caches[0].identity)
        return cls(
            identity=caches[0].identity,
            pairs=tuple(
                (torch.cat([pair[0] for pair in layer]), torch.cat([pair[1] for pair in layer]))
                for layer in zip(*(cache.pairs for cache in caches), strict=True)
            ),
            offsets=cumulative(torch.cat([cache.offsets.diff() for cache in caches])),
            times=torch.cat([cache.times for cache in caches]),
            request_times=torch.cat([cache.request_times for cache in caches]),
            events=torch.cat([cache.events for cache in caches]),
            prefixes=tuple(prefix for cache in caches for prefix in cache.prefixes),
        )


@dataclass(frozen=True)
class History:
    """What identifies the histories that are cached or about to be.

    Attributes:
        offsets: (B + 1,) int64 row boundaries of the interactions.
        times: (L,) int64 ms, when each happened.
        columns: (L,) int64 each: whatever else the model reads of an interaction.
        context: (B, C) int64, what it reads of a row besides.
    """

    offsets: Tensor
    times: Tensor
    columns: tuple[Tensor, ...]
    context: Tensor | None = None

    def digests(self, lengths: Tensor) -> tuple[bytes, ...]:
        """One digest per row, of its context and its first `lengths` (B,) interactions."""
        columns = [column.cpu().numpy() for column in (self.times, *self.columns)]
        context = None if self.context is None else self.context.cpu().numpy()
        digests = []
        for row, (start, length) in enumerate(zip(self.offsets[:-1].tolist(), lengths.tolist(), strict=True)):
            digest = hashlib.blake2b(b"" if context is None else context[row].tobytes(), digest_size=16)
            for column in columns:
                digest.update(column[start : start + length].tobytes())
            digests.append(digest.digest())
        return tuple(digests)


def settled(cache: KeyValueCache, identity: CacheIdentity, history: History) -> KeyValueCache:
    """What of the cache still holds for the longer `history`: it may be continued from there.

    Raises:
        CacheMismatch: another model made the cache, or it is not of the beginning of this history; names what differs.
    """
    _check_identity(cache, identity)
    if identity.validity == "this_request":
        raise CacheMismatch(
            "the cache holds for its own request alone: compute a new one, or train a model whose positions count from "
            "the start and whose tokens do not look ahead"
        )
    if len(cache) != len(history.offsets) - 1:
        raise CacheMismatch(f"the cache holds {len(cache)} rows, the batch {len(history.offsets) - 1}")
    _check_prefix(cache, history)
    return cache if identity.validity == "always" else _without_last(cache)


def _without_last(cache: KeyValueCache) -> KeyValueCache:
    lengths = (cache.offsets.diff() - 1).clamp(min=0)
    rows, places = token_places(cache.offsets)
    kept = places < lengths[rows]
    return replace(
        cache,
        pairs=tuple((keys[kept], values[kept]) for keys, values in cache.pairs),
        offsets=cumulative(lengths),
        times=cache.times[kept],
    )


def _check_identity(cache: KeyValueCache, identity: CacheIdentity) -> None:
    for field in fields(CacheIdentity):
        theirs, ours = getattr(cache.identity, field.name), getattr(identity, field.name)
        if theirs != ours:
            raise CacheMismatch(f"{field.name} of the cache is {theirs!r}, of the model {ours!r}: compute a new cache")


def _check_prefix(cache: KeyValueCache, history: History) -> None:
    lengths = history.offsets.diff()
    for row, (cached, given) in enumerate(zip(cache.events.tolist(), lengths.tolist(), strict=True)):
        if given < cached:
            raise CacheMismatch(f"row {row} has {given} interactions, its cache {cached}: compute a new cache")
    for row, (cached, given) in enumerate(zip(cache.prefixes, history.digests(cache.events), strict=True)):
        if cached != given:
            raise CacheMismatch(f"prefix of row {row} is not what was cached: an interaction came late or changed")
    rows, _ = token_places(history.offsets)
    back = (history.times.diff() < 0) & (rows.diff() == 0)
    if back.any():
        raise CacheMismatch(f"row {int(rows[int(back.nonzero()[0])])} goes back in time: sort its interactions")


def check_request(cache: KeyValueCache, identity: CacheIdentity, request_time: int) -> None:
    """That candidates of a request at `request_time` may read this cache of one row.

    Raises:
        CacheMismatch: another model made the cache, or it holds for another request or for more rows than one.
    """
    _check_identity(cache, identity)
    if len(cache) != 1:
        raise CacheMismatch(f"the cache holds {len(cache)} rows: candidates belong to one, take cache.row(i)")
    dated = identity.validity != "always" and len(cache.times) > 0
    if dated and request_time != int(cache.request_times):
        raise CacheMismatch(
            f"request time of the cache is {int(cache.request_times)}, of the candidates {request_time}: extend it"
        )
