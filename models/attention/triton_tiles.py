"""What the Triton kernels share: where a row lies, which tiles meet, who sees whom, the bias, the SiLU.

A program computes tiles of scores: some queries of one row and head against some of its keys. Tiles come in two
orientations, so positions and times are handed over as (BLOCK, 1) and (1, BLOCK) and broadcast. `place` is a token's
position in its row, r the relative position of models.attention.mask, `history` the place where candidates begin.
"""
# mypy: disable-error-code="no-untyped-def"
# Triton compiles these bodies itself; their arguments are pointers and tiles, which Python's types do not describe.

import triton
import triton.language as tl

from models.attention.triton_configs import INTERPRETED

FAR = tl.constexpr(2**30)
INTERPRETER = tl.constexpr(INTERPRETED)


@triton.jit
def row_bounds(row, offsets, query_offsets, targets, TARGETS: tl.constexpr):
    """First token and length of the row's keys, first token and length of its queries, and the place of candidates."""
    start = tl.load(offsets + row)
    length = (tl.load(offsets + row + 1) - start).to(tl.int32)
    query_start = tl.load(query_offsets + row)
    queries = (tl.load(query_offsets + row + 1) - query_start).to(tl.int32)
    history = length
    if TARGETS:
        history = length - tl.load(targets + row).to(tl.int32)
    return start, length, query_start, queries, history


@triton.jit
def relative(places, history, CONTEXT: tl.constexpr):
    """r: 0 for context, then the place in the history; all candidates stand at its end."""
    before: tl.constexpr = CONTEXT - 1 if CONTEXT > 1 else 0
    return tl.minimum(tl.maximum(places - before, 0), history - before)


@triton.jit
def visible(
    i, j, r_i, r_j, history, TARGETS: tl.constexpr, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr
):
    """Spec section 2.7. Lanes without a token are out by value: i = -1, j = FAR."""
    if TARGETS or CONTEXT > 0 or WINDOW > 0:
        r_i = tl.where(i < 0, -1, r_i)
        r_j = tl.where(j == FAR, FAR, r_j)
        before: tl.constexpr = CONTEXT - 1 if CONTEXT > 1 else 0
        seen = r_i > r_j
        if WINDOW > 0:
            near = r_i - r_j <= WINDOW
            if FULL_TAIL > 0:
                near = near | (r_i >= history - before - FULL_TAIL)
            seen = seen & near
        seen = seen | (i == j)
        if CONTEXT > 0:
            seen = seen | ((r_i == 0) & (j < history))
    else:
        seen = i >= j
    return seen


@triton.jit
def key_range(first, last, history, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr):
    """The part [low, high) of context and history that the queries at places [first, last) may see."""
    before: tl.constexpr = CONTEXT - 1 if CONTEXT > 1 else 0
    low = first * 0
    high = tl.minimum(last, history)
    if WINDOW > 0:
        reach = relative(first, history, CONTEXT) - WINDOW
        low = tl.where(reach > 0, reach + before, 0)
        if FULL_TAIL > 0:
            low = tl.where(relative(last - 1, history, CONTEXT) >= history - before - FULL_TAIL, 0, low)
    if CONTEXT > 0:
        low = tl.where(first < CONTEXT, 0, low)
        high = tl.where(first < CONTEXT, history, high)
    return low, high


@triton.jit
def query_walk(
    first, last, length, history, asking, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr,
    BLOCK_I: tl.constexpr,
):  # fmt: skip
    """The places of queries that may see the keys [first, last), as three ranges with the step at which each begins.

    First the context, from place `asking` where queries begin; then [low, high) from the keys on, as far as the window
    reaches; then the tail [tail, length) that sees beyond the window.
    """
    before: tl.constexpr = CONTEXT - 1 if CONTEXT > 1 else 0
    candidates = first >= history
    context_end = tl.where(candidates, 0, tl.minimum(CONTEXT, length))
    low = tl.where(candidates, first, tl.maximum(first, CONTEXT))
    high = tl.where(candidates, last, length)
    tail = length
    if WINDOW > 0:
        reach = relative(tl.minimum(last, history) - 1, history, CONTEXT) + WINDOW
        within = tl.where(reach >= history - before, length, reach + before + 1)
        high = tl.where(candidates, last, tl.minimum(within, length))
        if FULL_TAIL > 0:
            tail = tl.where(candidates, length, tl.maximum(high, history - FULL_TAIL))
    low = tl.maximum(low, asking)
    tail = tl.maximum(tail, asking)
    low_step = tl.cdiv(tl.maximum(context_end - asking, 0), BLOCK_I)
    tail_step = low_step + tl.cdiv(tl.maximum(high - low, 0), BLOCK_I)
    steps = tail_step + tl.cdiv(tl.maximum(length - tail, 0), BLOCK_I)
    return context_end, low_step, low, high, tail_step, tail, steps


@triton.jit
def query_range(step, asking, length, walk, CONTEXT: tl.constexpr, FULL_TAIL: tl.constexpr, BLOCK_I: tl.constexpr):
    """First place and number of the queries of one step of `query_walk`."""
    context_end, low_step, low, high, tail_step, tail, _ = walk
    first = low + (step - low_step) * BLOCK_I
    last = high
    if CONTEXT > 0:
        first = tl.where(step < low_step, asking + step * BLOCK_I, first)
        last = tl.where(step < low_step, context_end, last)
    if FULL_TAIL > 0:
        first = tl.where(step < tail_step, first, tail + (step - tail_step) * BLOCK_I)
        last = tl.where(step < tail_step, last, length)
    return first, tl.minimum(last - first, BLOCK_I)


@triton.jit
def product(a, b):
    """a @ b, of exact products summed in fp32. The interpreter cannot multiply bf16, which fp32 holds exactly."""
    if INTERPRETER:
        return tl.dot(a.to(tl.float32), b.to(tl.float32))
    else:
        return tl.dot(a, b, input_precision="ieee")


@triton.jit
def filled(count, WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Where a (ROWS, COLUMNS) tile of `count` rows of WIDTH values has any."""
    inside = tl.arange(0, ROWS)[:, None] < count
    if WIDTH != COLUMNS:
        inside = inside & (tl.arange(0, COLUMNS)[None, :] < WIDTH)
    return inside


@triton.jit
def load_tile(base, stride, count, WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    places = tl.arange(0, ROWS)[:, None] * stride + tl.arange(0, COLUMNS)[None, :]
    return tl.load(base + places, mask=filled(count, WIDTH, ROWS, COLUMNS), other=0.0)


@triton.jit
def store_tile(base, stride, count, tile, WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    places = tl.arange(0, ROWS)[:, None] * stride + tl.arange(0, COLUMNS)[None, :]
    tl.store(base + places, tile.to(base.dtype.element_ty), mask=filled(count, WIDTH, ROWS, COLUMNS))


@triton.jit
def add_tile(base, stride, count, tile, WIDTH: tl.constexpr, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    """Atomically: other programs add to the same tile."""
    places = tl.arange(0, ROWS)[:, None] * stride + tl.arange(0, COLUMNS)[None, :]
    tl.atomic_add(base + places, tile, mask=filled(count, WIDTH, ROWS, COLUMNS), sem="relaxed")


@triton.jit
def time_bucket(milliseconds, edges, around):
    """The bucket of each |time difference|, exactly: a float's leading bits name the one edge that may divide it."""
    segment = (milliseconds.to(tl.float32).to(tl.int32, bitcast=True) >> 21) & 1023
    low = tl.load(around + 2 * segment)
    high = tl.load(around + 2 * segment + 1)
    return tl.where(milliseconds >= tl.load(edges + high), high, low)


@triton.jit
def extreme_buckets(t_i, t_j, edges, around):
    """Lowest and highest bucket that a tile may hold, and whether at most one edge divides it and no key is later."""
    least = tl.min(t_i) - tl.max(t_j)
    most = tl.max(t_i) - tl.min(t_j)
    low = time_bucket(tl.maximum(tl.maximum(least, -most), 0), edges, around)
    high = time_bucket(tl.maximum(most, -least), edges, around)
    return low, high, (least >= 0) & (high - low <= 1)


@triton.jit
def bias_weights(r_i, r_j, t_i, t_j, position, half, time, edges, around):
    """The bias of a tile. Far from the diagonal one edge at most divides it: a comparison instead of tables."""
    low, high, simple = extreme_buckets(t_i, t_j, edges, around)
    by_distance = position + half - r_i + r_j
    # Positions are read in both branches, not before them: in the loop itself they would be staged like keys.
    if simple:
        beyond = t_i - tl.load(edges + high) >= t_j
        by_time = tl.where(beyond, tl.load(time + high).to(tl.float32), tl.load(time + low).to(tl.float32))
        weights = tl.load(by_distance).to(tl.float32) + by_time
    else:
        by_time = tl.load(time + time_bucket(tl.abs(t_i - t_j), edges, around)).to(tl.float32)
        weights = tl.load(by_distance).to(tl.float32) + by_time
    return weights


@triton.jit
def sigmoid(x, APPROXIMATE: tl.constexpr):
    """One instruction instead of two where the result is rounded to 16 bits anyway (error 2^-12, below bf16's 2^-9)."""
    if APPROXIMATE:
        bent = tl.inline_asm_elementwise(
            "tanh.approx.f32 $0, $1;", "=f,f", [x * 0.5], dtype=tl.float32, is_pure=True, pack=1
        )
        return bent * 0.5 + 0.5
    else:
        return 1.0 / (1.0 + tl.exp(-x))
