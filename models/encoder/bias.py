"""The relative attention bias of the research HSTU: learned weights by distance in position and in time."""

import torch
from torch import Tensor, nn

from models.attention.reference import pad
from models.batch import JaggedBatch

TIME_BUCKETS = 128
BUCKET_WIDTH = 0.301


def time_bucket(seconds: Tensor) -> Tensor:
    """Bucket of a time difference: floor(ln(max(|x|, 1)) / 0.301), clamped to 0..128 (Meta's research code)."""
    return (seconds.abs().clamp(min=1).float().log() / BUCKET_WIDTH).floor().long().clamp(0, TIME_BUCKETS)


class RelativeBias(nn.Module):
    """bias_ij = position[(N - 1) - (i - j)] + time[bucket(T_{i+1} - T_j)].

    A query knows when the NEXT interaction happens, because at serving the request time is known and the item is not.
    """

    def __init__(self, divisor: int) -> None:
        super().__init__()
        self.divisor = divisor
        self.position = nn.Parameter(torch.empty(2 * divisor - 1).normal_(std=0.02))
        self.time = nn.Parameter(torch.empty(TIME_BUCKETS + 1).normal_(std=0.02))

    def forward(self, buckets: Tensor) -> Tensor:
        """The (B, n, n) bias for `buckets` as `time_buckets` gives them."""
        longest = buckets.shape[-1]
        place = torch.arange(longest, device=buckets.device)
        distance = (self.divisor - 1) - (place[:, None] - place[None, :])
        return self.position[distance] + self.time[buckets]


def time_buckets(batch: JaggedBatch) -> Tensor:
    """(B, n, n) int64 bucket of T_{i+1} - T_j for every pair of tokens of a row; the same for all layers."""
    queries = pad(batch.next_timestamps, batch.offsets)
    keys = pad(batch.timestamps, batch.offsets)
    milliseconds = queries[:, :, None] - keys[:, None, :]
    return time_bucket(milliseconds.abs() // 1000)
