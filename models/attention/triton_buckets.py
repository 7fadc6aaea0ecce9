"""Time buckets as tables that a kernel can look up: exact, without a logarithm, for any int64 milliseconds."""

from functools import cache

import torch
from torch import Tensor

from models.attention.bias import TIME_BUCKETS, time_bucket

NEVER = torch.iinfo(torch.int64).max
SEGMENT_SHIFT = 21


@cache
def bucket_tables(device: torch.device) -> tuple[Tensor, Tensor]:
    """The edges of the buckets, and which of them is near a number.

    Returns:
        edges: (TIME_BUCKETS + 1,) int64, the first millisecond of each bucket or of the next one that is not empty.
        around: (1024, 2) int32, by the upper 11 bits of a float, which are its sign, its exponent and a quarter of the
            octave: the buckets at the quarter's two ends. Buckets are wider than quarters, so at most one edge lies
            between, and x is in the upper bucket if x >= edges[upper], else in the lower.
    """
    edges = _edges()
    ends = (torch.arange(1025) << SEGMENT_SHIFT).clamp(max=0x7F7FFFFF).int().view(torch.float32).double()
    at_ends = torch.searchsorted(edges, ends.clamp(0, 2.0**63 - 2.0**39).long(), right=True) - 1
    around = torch.stack([at_ends[:-1], at_ends[1:]], dim=1)
    return edges.to(device), around.int().contiguous().to(device)


def _edges() -> Tensor:
    buckets = torch.arange(TIME_BUCKETS + 1)
    below = torch.full_like(buckets, -1)
    first = torch.full_like(buckets, NEVER // 1000)
    reached = time_bucket(first) >= buckets
    while (first - below > 1).any():
        middle = below + (first - below) // 2
        inside = time_bucket(middle.clamp(min=0)) >= buckets
        first, below = torch.where(inside, middle, first), torch.where(inside, below, middle)
    return torch.where(reached, first * 1000, NEVER)
