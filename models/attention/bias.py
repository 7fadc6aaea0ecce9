"""The relative attention bias: learned weights by distance in position and in time (HSTU spec section 2.4)."""

from dataclasses import dataclass

from torch import Tensor

from models.attention.mask import AttentionMask, relative_positions
from models.jagged import pad

TIME_BUCKETS = 128
BUCKET_WIDTH = 0.301


@dataclass(frozen=True)
class AttentionBias:
    """bias_ij = position[(N - 1) - (r_i - r_j)] + time[bucket(query_times_i - key_times_j)].

    r is the relative position of the mask: the place in the row where there are neither context nor candidates. A query
    knows when the NEXT interaction happens, because at serving the request time is known and the item is not.

    Attributes:
        position: (2N - 1,) weights by distance; N - 1 is a token's weight on itself.
        time: (TIME_BUCKETS + 1,) weights by bucket.
        query_times: (L_q,) int64 epoch milliseconds, one per query.
        key_times: (L,) int64 epoch milliseconds, one per key.
    """

    position: Tensor
    time: Tensor
    query_times: Tensor
    key_times: Tensor


def time_bucket(seconds: Tensor) -> Tensor:
    """Bucket of a time difference: floor(ln(max(|x|, 1)) / 0.301), clamped to 0..128 (Meta's research code)."""
    return (seconds.abs().clamp(min=1).float().log() / BUCKET_WIDTH).floor().long().clamp(0, TIME_BUCKETS)


def dense_bias(bias: AttentionBias, query_times: Tensor, offsets: Tensor, mask: AttentionMask) -> Tensor:
    """(B, n, n) bias for `query_times` (B, n), padded, one per token."""
    r = relative_positions(offsets, mask)
    half = (len(bias.position) - 1) // 2
    milliseconds = query_times[:, :, None] - pad(bias.key_times, offsets)[:, None, :]
    buckets = time_bucket(milliseconds.abs() // 1000)
    return bias.position[half - (r[:, :, None] - r[:, None, :])] + bias.time[buckets]
