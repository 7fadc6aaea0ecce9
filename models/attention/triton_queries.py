"""The kernel that holds a tile of queries and walks along the keys that they see: forward, and dq."""
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from models.attention.triton_configs import prune, query_configs
from models.attention.triton_tiles import (
    FAR,
    bias_weights,
    key_range,
    load_tile,
    product,
    relative,
    row_bounds,
    sigmoid,
    store_tile,
    visible,
)


@triton.autotune(
    configs=query_configs(),
    key=["WIDTH", "V_WIDTH", "BIAS", "BACKWARD", "length_class", "DETERMINISTIC"],
    prune_configs_by={"early_config_prune": prune},
)
@triton.jit(do_not_specialize=["longest", "length_class", "half", "divisor"])
def queries_kernel(
    q, k, v, mixed_gradient, result,
    order, offsets, query_offsets, targets, position, time, query_times, key_times, edges, around,
    q_stride, q_head, k_stride, k_head, v_stride, v_head, longest, length_class, heads, half, scale, divisor,
    WIDTH: tl.constexpr, V_WIDTH: tl.constexpr, COLUMNS: tl.constexpr, V_COLUMNS: tl.constexpr,
    TARGETS: tl.constexpr, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr,
    BIAS: tl.constexpr, BACKWARD: tl.constexpr, APPROXIMATE: tl.constexpr, DETERMINISTIC: tl.constexpr,
    BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    """With S_ij = scale <q_i, k_j> + bias_ij, summed over the visible j and divided by the divisor:

    forward: result_i = sum of SiLU(S_ij) v_j; backward: result_i = scale * sum of <g_i, v_j> SiLU'(S_ij) k_j.
    """
    tiles = tl.cdiv(longest, BLOCK_I)
    unit = tl.program_id(0)
    head = (unit // tiles) % heads
    row = tl.load(order + unit // tiles // heads)
    start, length, token, queries, history = row_bounds(row, offsets, query_offsets, targets, TARGETS)
    # The last queries of a row look furthest: their tiles start first.
    begin = (tl.cdiv(queries, BLOCK_I) - 1 - unit % tiles) * BLOCK_I
    if begin < 0:
        return
    token += begin
    i_count = tl.minimum(queries - begin, BLOCK_I)
    first = length - queries + begin
    last = first + i_count

    lanes_i = tl.arange(0, BLOCK_I)
    lanes_j = tl.arange(0, BLOCK_J)
    i = tl.where(lanes_i < i_count, first + lanes_i, -1)
    r_i = relative(first + tl.minimum(lanes_i, i_count - 1), history, CONTEXT)
    if BIAS:
        t_i = tl.load(query_times + token + tl.minimum(lanes_i, i_count - 1))
    q_tile = load_tile(q + token * q_stride + head * q_head, q_stride, i_count, WIDTH, BLOCK_I, COLUMNS)
    k += start * k_stride + head * k_head
    v += start * v_stride + head * v_head
    if BACKWARD:
        g_base = mixed_gradient + (token * heads + head) * V_WIDTH
        g_tile = load_tile(g_base, heads * V_WIDTH, i_count, V_WIDTH, BLOCK_I, V_COLUMNS)
        summed = tl.zeros((BLOCK_I, COLUMNS), tl.float32)
    else:
        summed = tl.zeros((BLOCK_I, V_COLUMNS), tl.float32)

    low, high = key_range(first, last, history, CONTEXT, WINDOW, FULL_TAIL)
    steps = tl.cdiv(tl.maximum(high - low, 0), BLOCK_J)
    own_step = steps
    own = tl.maximum(first, history)
    if TARGETS:
        steps += tl.cdiv(tl.maximum(last - own, 0), BLOCK_J)
    for step in range(0, steps):
        j_first = low + step * BLOCK_J
        j_last = high
        if TARGETS:
            # Behind the history a candidate sees itself alone: of candidates by candidates only the diagonal is done.
            j_first = tl.where(step < own_step, j_first, own + (step - own_step) * BLOCK_J)
            j_last = tl.where(step < own_step, high, last)
        j_count = tl.minimum(j_last - j_first, BLOCK_J)
        j = tl.where(lanes_j < j_count, j_first + lanes_j, FAR)
        r_j = relative(j_first + tl.minimum(lanes_j, j_count - 1), history, CONTEXT)
        k_tile = load_tile(k + j_first.to(tl.int64) * k_stride, k_stride, j_count, WIDTH, BLOCK_J, COLUMNS)
        v_tile = load_tile(v + j_first.to(tl.int64) * v_stride, v_stride, j_count, V_WIDTH, BLOCK_J, V_COLUMNS)
        scores = product(q_tile, tl.trans(k_tile)) * scale
        if BIAS:
            t_j = tl.load(key_times + start + j_first + tl.minimum(lanes_j, j_count - 1))
            scores += bias_weights(
                r_i[:, None], r_j[None, :], t_i[:, None], t_j[None, :], position, half, time, edges, around
            )
        # Not before the bias, whose branches would cost registers to carry it across.
        seen = visible(i[:, None], j[None, :], r_i[:, None], r_j[None, :], history, TARGETS, CONTEXT, WINDOW, FULL_TAIL)
        gate = sigmoid(scores, APPROXIMATE)
        if BACKWARD:
            slopes = tl.where(seen, gate * (1.0 + scores * (1.0 - gate)), 0.0)
            ds = product(g_tile, tl.trans(v_tile)) * slopes
            summed += product(ds.to(k.dtype.element_ty), k_tile)
        else:
            weights = tl.where(seen, scores * gate, 0.0)
            summed += product(weights.to(v.dtype.element_ty), v_tile)
    if BACKWARD:
        base = result + (token * heads + head) * WIDTH
        store_tile(base, heads * WIDTH, i_count, summed * (scale / divisor), WIDTH, BLOCK_I, COLUMNS)
    else:
        base = result + (token * heads + head) * V_WIDTH
        store_tile(base, heads * V_WIDTH, i_count, summed / divisor, V_WIDTH, BLOCK_I, V_COLUMNS)
