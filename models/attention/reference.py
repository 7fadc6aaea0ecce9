"""HSTU attention, naively: rows padded to the longest, every product written out. The oracle of the other backends.

Shapes: B rows, L tokens in all, L_q queries, n longest row, h heads, d width of queries and keys, d_v of values.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.attention.bias import AttentionBias, check_reach, dense_bias
from models.attention.mask import CAUSAL, AttentionMask, dense_mask
from models.jagged import longest, pad, token_places


def query_places(offsets: Tensor, query_offsets: Tensor | None) -> tuple[Tensor, Tensor]:
    """Row and position within the row of every query: two (L_q,) int64. The queries are each row's last tokens."""
    if query_offsets is None:
        return token_places(offsets)
    rows, places = token_places(query_offsets)
    return rows, places + (offsets.diff() - query_offsets.diff())[rows]


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
    """See `models.attention.hstu_attention`; any float dtype, fp64 included, differentiable twice."""
    places = query_places(offsets, query_offsets)
    shape = (len(offsets) - 1, longest(offsets))
    queries = q.new_zeros(*shape, *q.shape[1:]).index_put(places, q)
    scores = torch.einsum("bihd,bjhd->bhij", queries, pad(k, offsets)) * scale
    if bias is not None:
        check_reach(bias, offsets, mask)
        times = bias.query_times.new_zeros(shape).index_put(places, bias.query_times)
        scores = scores + dense_bias(bias, times, offsets, mask).unsqueeze(1)
    weights = F.silu(scores) * dense_mask(offsets, mask).unsqueeze(1) / divisor
    mixed = torch.einsum("bhij,bjhd->bihd", weights.to(v.dtype), pad(v, offsets))
    return mixed[places]
