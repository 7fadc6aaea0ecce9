"""The choice of a backend: Triton on a GPU, the fused CPU kernel on a CPU, the reference where neither can compute."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib import import_module
from typing import Literal, get_args

import torch
from torch import Tensor

from models.attention.bias import AttentionBias
from models.attention.mask import CAUSAL, AttentionMask

Backend = Literal["reference", "cpu", "triton"]
BACKEND_VARIABLE = "GENREC_ATTENTION"

_chosen: ContextVar[Backend | None] = ContextVar("attention backend", default=None)


@contextmanager
def use_backend(backend: Backend) -> Iterator[None]:
    """Computes all attention of the block by one backend. The variable GENREC_ATTENTION does so for a process."""
    token = _chosen.set(_known(backend))
    try:
        yield
    finally:
        _chosen.reset(token)


def backend_for(q: Tensor) -> Backend:
    """The backend that computes attention over `q`: the one asked for, else the fastest for its device and dtype."""
    asked = _chosen.get() or os.environ.get(BACKEND_VARIABLE)
    if asked:
        return _known(asked)
    if q.dtype == torch.float64:
        return "reference"
    return "triton" if q.is_cuda else "cpu"


def hstu_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    offsets: Tensor,
    *,
    divisor: int,
    scale: float = 1.0,
    mask: AttentionMask = CAUSAL,
    bias: AttentionBias | None = None,
    query_offsets: Tensor | None = None,
) -> Tensor:
    """Pointwise attention (HSTU paper eq. 2): the sum over visible j of SiLU(scale <q_i, k_j> + bias_ij) / N * v_j.

    B rows, L tokens in all, h heads. Gradients flow to q, k, v and the two weight tables of the bias.

    Args:
        q: (L_q, h, d) queries; k: (L, h, d); v: (L, h, d_v), all of one dtype.
        offsets: (B + 1,) int64 row boundaries of keys and values.
        divisor: N. It belongs to the model: a divisor taken from the batch changes every score with the batch.
        scale: Factor of the products: 1 in the research model, 1 / sqrt(d) in the ranking model.
        mask: Who may look at whom.
        bias: Relative bias, shared by the heads.
        query_offsets: (B + 1,) int64 where only the last tokens of each row ask, as with cached keys; L_q = its last.

    Returns:
        (L_q, h, d_v) in the dtype of `v`.

    Raises:
        ValueError: shapes contradict each other, or a row cannot hold its context and candidates.
    """
    _check(q, k, v, offsets, query_offsets)
    backend = import_module(f"models.attention.{backend_for(q)}")
    mixed: Tensor = backend.hstu_attention(
        q, k, v, offsets, divisor=divisor, scale=scale, mask=mask, bias=bias, query_offsets=query_offsets
    )
    return mixed


def _check(q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, query_offsets: Tensor | None) -> None:
    if not q.dtype == k.dtype == v.dtype:
        raise ValueError(f"queries, keys and values are {q.dtype}, {k.dtype} and {v.dtype}: cast them to one dtype")
    if len(k) != len(v) or q.shape[1:] != k.shape[1:] or q.shape[1] != v.shape[1]:
        raise ValueError(f"shapes of queries {tuple(q.shape)}, keys {tuple(k.shape)}, values {tuple(v.shape)} differ")
    if query_offsets is None and len(q) != len(k):
        raise ValueError(f"{len(q)} queries over {len(k)} keys need query_offsets")
    if query_offsets is not None and query_offsets.shape != offsets.shape:
        raise ValueError(f"query_offsets are of {len(query_offsets) - 1} rows, offsets of {len(offsets) - 1}")


def _known(backend: str) -> Backend:
    if backend not in get_args(Backend):
        raise ValueError(f"attention backend {backend!r} is not one of {', '.join(get_args(Backend))}")
    return backend  # type: ignore[return-value]
