"""HSTU attention in blocks of queries, in plain PyTorch: what a CPU without a C++ compiler computes with."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from models.attention.bias import AttentionBias, check_reach, gathered_bias
from models.attention.mask import CAUSAL, AttentionMask, history_end, relative_positions, visible

BLOCK = 128


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
    """See `models.attention.hstu_attention`. Holds BLOCK x n weights at a time, computed again for gradients."""
    if bias is not None:
        check_reach(bias, offsets, mask)
    asking = offsets if query_offsets is None else query_offsets
    r, ends = relative_positions(offsets, mask), history_end(offsets.diff(), mask)

    def mix(row: int, queries: slice) -> Tensor:
        keys = slice(int(offsets[row]), int(offsets[row + 1]))
        place_j = torch.arange(keys.stop - keys.start)
        place_i = torch.arange(queries.start, queries.stop)[:, None] + (len(place_j) - int(asking[row + 1]))
        r_i, r_j = r[row, place_i], r[row, place_j]
        scores = torch.einsum("ihd,jhd->hij", q[queries].float(), k[keys].float()) * scale
        if bias is not None:
            times = bias.query_times[queries][:, None], bias.key_times[keys]
            scores = scores + gathered_bias(bias, r_i, r_j, *times)
        weights = F.silu(scores) * visible(place_i, r_i, place_j, r_j, ends[row], mask) / divisor
        return torch.einsum("hij,jhd->ihd", weights, v[keys].float()).to(v.dtype)

    mixed = [v[:0]]
    for row in range(len(offsets) - 1):
        stop = int(asking[row + 1])
        for start in range(int(asking[row]), stop, BLOCK):
            mixed.append(checkpoint(mix, row, slice(start, min(start + BLOCK, stop)), use_reentrant=False))
    return torch.cat(mixed)
