"""Sums of a tile's dS by time bucket and by distance: the gradients of the two bias tables.

Within a tile the order of addition is fixed. Where it must be fixed between tiles, too, the program has its tables to
itself and waits for all its threads between two additions that may meet in one address. The barriers are not free:
Triton loads no tiles ahead in a loop that has one. dS is (BLOCK_J, BLOCK_I), keys first, zero where unseen.
"""
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from models.attention.triton_tiles import extreme_buckets, relative, time_bucket


@triton.jit
def add_by_edge(ds, t_i, t_j, by_bucket, edges, around, DETERMINISTIC: tl.constexpr):
    """Adds a tile that one edge divides at most to (TIME_BUCKETS + 1,); leaves the others to `add_by_bucket`."""
    low, high, simple = extreme_buckets(t_i, t_j, edges, around)
    if simple:
        beyond = t_i - tl.load(edges + high) >= t_j
        tl.atomic_add(by_bucket + high, tl.sum(tl.where(beyond, ds, 0.0)), sem="relaxed")
        _wait(DETERMINISTIC)
        tl.atomic_add(by_bucket + low, tl.sum(tl.where(beyond, 0.0, ds)), sem="relaxed")
    _wait(DETERMINISTIC)


@triton.jit
def add_by_bucket(ds, t_i, t_j, lowest, highest, by_bucket, edges, around, DETERMINISTIC: tl.constexpr):
    """Adds a tile to (TIME_BUCKETS + 1,), one sum per bucket in reach."""
    buckets = time_bucket(tl.abs(t_i - t_j), edges, around)
    for bucket in range(lowest, highest + 1):
        tl.atomic_add(by_bucket + bucket, tl.sum(tl.where(buckets == bucket, ds, 0.0)), sem="relaxed")
    _wait(DETERMINISTIC)


@triton.jit
def add_by_distance(
    ds, i_first, j_first, history, diagonal, TARGETS: tl.constexpr, CONTEXT: tl.constexpr,
    DETERMINISTIC: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    """Adds to the table whose weight for distance 0 is at `diagonal`: at diagonal + r_j - r_i.

    Each column is turned by its query's r, which lays equal distances side by side: a key at lane l and a query at
    r_first + s meet in lane l - s, or, where that is negative, in lane l - s + BLOCK_J.
    """
    lanes = tl.arange(0, BLOCK_J)[:, None]
    if TARGETS and j_first + BLOCK_J > history:
        # A candidate as key is seen by itself alone, at distance 0.
        candidate = j_first + lanes >= history
        tl.atomic_add(diagonal, tl.sum(tl.where(candidate, ds, 0.0)), sem="relaxed")
        _wait(DETERMINISTIC)
        ds = tl.where(candidate, 0.0, ds)
    base = j_first
    if CONTEXT > 1:
        base = tl.maximum(j_first - (CONTEXT - 1), 1 - BLOCK_J)
        if base < 0:
            # All context stands at r = 0: its sum goes to the one lane of that r.
            context = tl.sum(tl.where(lanes <= -base, ds, 0.0), 0)[None, :]
            ds = tl.where(lanes < -base, 0.0, tl.where(lanes == -base, context, ds))
    r_first = relative(i_first, history, CONTEXT)
    shift = relative(i_first + tl.arange(0, BLOCK_I), history, CONTEXT) - r_first
    ahead = lanes + shift[None, :]
    turned = tl.gather(ds, ahead & (BLOCK_J - 1), 0)
    wrapped = ahead >= BLOCK_J
    near = tl.sum(tl.where(wrapped, 0.0, turned), 1)
    far = tl.sum(tl.where(wrapped, turned, 0.0), 1)
    places = diagonal + base - r_first + tl.arange(0, BLOCK_J)
    tl.atomic_add(places, near, mask=near != 0.0, sem="relaxed")
    tl.atomic_add(places - BLOCK_J, far, mask=far != 0.0, sem="relaxed")
    _wait(DETERMINISTIC)


@triton.jit
def _wait(DETERMINISTIC: tl.constexpr):
    if DETERMINISTIC:
        tl.debug_barrier()
