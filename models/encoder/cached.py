"""The encoder of a recommender with a cache: a history once, then only what comes after it, or candidates.

A token looks at its past from the time of what follows it, so the last token of a cached history is computed anew when
the history or the clock moves on; all before it hold (HSTU spec section 2.4).
"""

import torch
from torch import Tensor

from models.attention.mask import CAUSAL
from models.attention.reference import query_places
from models.batch import JaggedBatch
from models.encoder.cache import CacheIdentity, History, KeyValueCache, check_request, settled
from models.encoder.encoder import Encoder
from models.encoder.incremental import advance, encode_candidates


def identity(encoder: Encoder, version: str) -> CacheIdentity:
    """What a cache of `encoder`, known to the caller as `version`, must have."""
    return CacheIdentity(version, len(encoder.positions), len(encoder.layers), "start", "until_next")


def prefill(encoder: Encoder, item_vectors: Tensor, batch: JaggedBatch, version: str) -> tuple[Tensor, KeyValueCache]:
    """(B, width) raw state at the end of each row, zero for an empty row, and the cache.

    Args:
        item_vectors: (L, width) vectors of the batch's items.
    """
    return _encode(encoder, item_vectors, batch, version, None)


def extend(
    encoder: Encoder, cache: KeyValueCache, item_vectors: Tensor, batch: JaggedBatch, version: str
) -> tuple[Tensor, KeyValueCache]:
    """What `prefill` gives for `batch`, whose rows begin as the cached ones do; computes what came since.

    Raises:
        CacheMismatch: another model made the cache, or a row begins differently.
    """
    return _encode(encoder, item_vectors, batch, version, cache)


@torch.no_grad()
def candidate_states(
    encoder: Encoder,
    cache: KeyValueCache,
    candidate_vectors: Tensor,
    request_time: int,
    version: str,
    micro_batch: int = 0,
) -> Tensor:
    """(m, width) raw states of candidates, each as if it were the one item after the cached history.

    Args:
        candidate_vectors: (m, width) vectors of the candidates.
        request_time: ms, that of the cache.
        micro_batch: See `encode_candidates`.

    Raises:
        CacheMismatch: another model or another request made the cache.
        ValueError: the history is so long that no place follows it.
    """
    check_request(cache, identity(encoder, version), request_time)
    place = cache.offsets[-1:]
    if int(place) >= len(encoder.positions):
        raise ValueError(f"the history of {int(place)} interactions fills all {len(encoder.positions)} positions")
    x = encoder.embed(candidate_vectors, place)
    return encode_candidates(encoder.layers, x, cache, request_time, CAUSAL, micro_batch)


@torch.no_grad()
def _encode(
    encoder: Encoder, item_vectors: Tensor, batch: JaggedBatch, version: str, cache: KeyValueCache | None
) -> tuple[Tensor, KeyValueCache]:
    made_by = identity(encoder, version)
    history = History(batch.offsets, batch.timestamps, (batch.item_index,))
    layout = encoder.lay_out(batch)
    past = None if cache is None else settled(cache, made_by, history)
    if past is not None:
        asking, layout = layout.since(past.offsets.diff())
        item_vectors = item_vectors[asking]
    _, places = query_places(layout.offsets, layout.query_offsets)
    x, pairs = advance(encoder.layers, encoder.embed(item_vectors, places), layout, past)
    lengths = batch.offsets.diff()
    filled, ends = lengths > 0, batch.offsets[1:] - 1
    request_times = torch.zeros_like(lengths)
    request_times[filled] = batch.next_timestamps[ends[filled]]
    states = x.new_zeros(len(lengths), x.shape[1])
    last = batch.offsets[1:] if layout.query_offsets is None else layout.query_offsets[1:]
    states[filled] = x[last[filled] - 1]
    return states, KeyValueCache(
        made_by, pairs, batch.offsets, batch.timestamps, request_times, lengths, history.digests(lengths)
    )
