"""Encoding only what is new: tokens after a cached history, and candidates against one (HSTU spec section 6)."""

from dataclasses import replace

import torch
from torch import Tensor

from models.attention.mask import AttentionMask
from models.encoder.cache import CacheMismatch, KeyValueCache, Pair
from models.encoder.stack import Layout, Stack
from models.jagged import token_places

MIN_MICRO_BATCH = 1024
"""Smaller micro-batches pay for their calls: the kernels skip what candidates would see of each other anyway."""


@torch.no_grad()
def advance(
    stack: Stack, x: Tensor, layout: Layout, past: KeyValueCache | None = None, states: bool = True
) -> tuple[Tensor, tuple[Pair, ...]]:
    """Runs the tokens that are not cached through all layers.

    Args:
        x: (L_q, width) inputs of the tokens that ask.
        layout: Where they stand; it covers the cached tokens too.
        past: What `settled` gave, or None where every token asks.
        states: Whether states are wanted: the last layer's keys and values need none of its attention.

    Returns:
        Their (L_q, width) states, or none of them, and every layer's keys and values of all tokens.

    Raises:
        CacheMismatch: the cache is of another dtype.
        ValueError: the model is in training mode.
    """
    _refuse_training(stack)
    order = None if past is None else _joined_order(past, layout)
    pairs: list[Pair] = []
    for index, layer in enumerate(stack):
        gate, q, k, v = layer.project(x)
        if past is not None:
            keys, values = past.pairs[index]
            _check_dtype(keys, k)
            k, v = torch.cat([keys, k])[order], torch.cat([values, v])[order]
        # A view into the projection would keep queries and gate alive as long as the cache.
        k, v = k.contiguous(), v.contiguous()
        pairs.append((k, v))
        if index == len(stack) - 1 and not states:
            return x[:0], tuple(pairs)
        x = layer.combine(x, gate, layer.attend(q, k, v, layout))
    return x, tuple(pairs)


def _joined_order(past: KeyValueCache, layout: Layout) -> Tensor:
    """Indices into [cached tokens, asking tokens] that put each row's cached tokens before its new ones."""
    assert layout.query_offsets is not None
    rows = torch.cat([token_places(offsets)[0] for offsets in (past.offsets, layout.query_offsets)])
    return rows.argsort(stable=True)


def candidate_layout(cache: KeyValueCache, candidates: int, request_time: int, mask: AttentionMask) -> Layout:
    """The layout in which `candidates` ask, all at the place after the cached history of one row."""
    times = cache.times.new_full((candidates,), request_time)
    asking = cache.offsets.new_tensor([0, candidates])
    return Layout(
        offsets=cache.offsets + asking,
        query_times=times,
        key_times=torch.cat([cache.times, times]),
        mask=replace(mask, targets=asking[1:]),
        query_offsets=asking,
    )


@torch.no_grad()
def encode_candidates(
    stack: Stack, x: Tensor, cache: KeyValueCache, request_time: int, mask: AttentionMask, micro_batch: int = 0
) -> Tensor:
    """M-FALCON (HSTU paper, Algorithm 1): candidates in micro-batches against one cached history.

    A state is what the candidate would get as the one token after the history, whatever the others are. The history's
    keys and values are copied once a call; each micro-batch overwrites the tail behind them, and the cache is never
    written to.

    Args:
        x: (m, width) inputs of the candidates.
        cache: Of one row.
        request_time: ms, when all of them would happen.
        mask: The model's; its `targets` are set here.
        micro_batch: Candidates per micro-batch. 0: as many as the history is long, and MIN_MICRO_BATCH at least.

    Returns:
        (m, width) states.

    Raises:
        CacheMismatch: the cache is of another dtype.
        ValueError: the model is in training mode.
    """
    _refuse_training(stack)
    if not len(x):
        return x
    length = int(cache.offsets[-1])
    size = min(micro_batch or max(length, MIN_MICRO_BATCH), len(x))
    rooms = [(_with_room(keys, size), _with_room(values, size)) for keys, values in cache.pairs]
    states = []
    for part in x.split(size):
        layout = candidate_layout(cache, len(part), request_time, mask)
        end = length + len(part)
        for layer, (keys, values) in zip(stack, rooms, strict=True):
            gate, q, k, v = layer.project(part)
            _check_dtype(keys, k)
            keys[length:end], values[length:end] = k, v
            part = layer.combine(part, gate, layer.attend(q, keys[:end], values[:end], layout))
        states.append(part)
    return torch.cat(states)


def _refuse_training(stack: Stack) -> None:
    if stack.training:
        raise ValueError("a model in training mode drops values at random and cannot be cached: call eval() first")


def _with_room(tokens: Tensor, more: int) -> Tensor:
    return torch.cat([tokens, tokens.new_empty(more, *tokens.shape[1:])])


def _check_dtype(cached: Tensor, computed: Tensor) -> None:
    if cached.dtype != computed.dtype:
        raise CacheMismatch(f"dtype of the cache is {cached.dtype}, of the model {computed.dtype}: compute a new cache")
