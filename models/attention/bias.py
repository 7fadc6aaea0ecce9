"""The relative attention bias: learned weights by distance in position and in time (HSTU spec section 2.4)."""

from dataclasses import dataclass

from torch import Tensor

from models.attention.mask import AttentionMask, history_end, relative_positions
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


def check_reach(bias: AttentionBias, offsets: Tensor, mask: AttentionMask) -> None:
    """Refuses rows that are longer than the table of positions.

    Raises:
        ValueError: a distance in a row lies outside the table.
    """
    half = (len(bias.position) - 1) // 2
    reach = history_end(offsets.diff(), mask) - (1 if mask.targets is None else 0)
    if len(reach) and reach.max() > half:
        row = int(reach.argmax())
        raise ValueError(
            f"row {row} has {int(offsets[row + 1] - offsets[row])} tokens, more than the {half + 1} positions that the "
            "bias knows: truncate it to the model's max_length"
        )


def gathered_bias(bias: AttentionBias, r_i: Tensor, r_j: Tensor, time_i: Tensor, time_j: Tensor) -> Tensor:
    """The bias between tokens i and j, for relative positions and times (int64 ms) that broadcast."""
    half = (len(bias.position) - 1) // 2
    buckets = time_bucket((time_i - time_j).abs() // 1000)
    return bias.position[half - (r_i - r_j)] + bias.time[buckets]


def dense_bias(bias: AttentionBias, query_times: Tensor, offsets: Tensor, mask: AttentionMask) -> Tensor:
    """(B, n, n) bias for `query_times` (B, n), padded, one per token."""
    r, key_times = relative_positions(offsets, mask), pad(bias.key_times, offsets)
    return gathered_bias(bias, r[:, :, None], r[:, None, :], query_times[:, :, None], key_times[:, None, :])
