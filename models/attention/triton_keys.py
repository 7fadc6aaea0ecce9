"""The kernel that holds a tile of keys and walks along the queries that see it: gradients of keys, values and bias.

The queries' gradient is added atomically, in fp32, on the way; where order must be fixed `queries_kernel` computes it.
"""
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl

from models.attention.triton_bias_gradients import add_by_bucket, add_by_distance, add_by_edge
from models.attention.triton_configs import key_configs, prune
from models.attention.triton_tiles import (
    FAR,
    add_tile,
    bias_weights,
    extreme_buckets,
    load_tile,
    product,
    query_range,
    query_walk,
    relative,
    row_bounds,
    sigmoid,
    store_tile,
    visible,
)


@triton.autotune(
    configs=key_configs(),
    key=["WIDTH", "V_WIDTH", "BIAS", "BIAS_GRADIENT", "length_class", "DETERMINISTIC"],
    prune_configs_by={"early_config_prune": prune},
    reset_to_zero=["dq", "bias_gradient"],
)
@triton.jit(do_not_specialize=["rows", "longest", "length_class", "half", "divisor"])
def keys_kernel(
    q, k, v, mixed_gradient, dq, dk, dv, bias_gradient,
    order, offsets, query_offsets, targets, position, time, query_times, key_times, edges, around,
    q_stride, q_head, k_stride, k_head, v_stride, v_head, rows, longest, length_class, heads, half, copies,
    scale, divisor,
    WIDTH: tl.constexpr, V_WIDTH: tl.constexpr, COLUMNS: tl.constexpr, V_COLUMNS: tl.constexpr,
    TARGETS: tl.constexpr, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr,
    BIAS: tl.constexpr, BIAS_GRADIENT: tl.constexpr, BUCKETS: tl.constexpr,
    APPROXIMATE: tl.constexpr, DETERMINISTIC: tl.constexpr, BLOCK_I: tl.constexpr, BLOCK_J: tl.constexpr,
):  # fmt: skip
    """With g the gradient of the result and dS_ij = <g_i, v_j> SiLU'(S_ij), summed over the queries i that see j:

    dv_j = sum of SiLU(S_ij) g_i / divisor; dk_j = scale * sum of dS_ij q_i / divisor; the bias gets the dS_ij alone.
    """
    lanes_i = tl.arange(0, BLOCK_I)
    lanes_j = tl.arange(0, BLOCK_J)
    tiles = tl.cdiv(longest, BLOCK_J)
    # Where order counts there are no more programs than copies of the bias gradient, so that each has one to itself.
    by_distance = bias_gradient + (tl.program_id(0) % copies).to(tl.int64) * (2 * half + 1 + BUCKETS)
    by_bucket = by_distance + 2 * half + 1
    for unit in range(tl.program_id(0), rows * heads * tiles, tl.num_programs(0)):
        head = (unit // tiles) % heads
        row = tl.load(order + unit // tiles // heads)
        start, length, query_start, queries, history = row_bounds(row, offsets, query_offsets, targets, TARGETS)
        first = (unit % tiles) * BLOCK_J
        if first < length:
            start += first
            j_count = tl.minimum(length - first, BLOCK_J)
            j = tl.where(lanes_j < j_count, first + lanes_j, FAR)
            r_j = relative(first + tl.minimum(lanes_j, j_count - 1), history, CONTEXT)
            t_j = lanes_j
            if BIAS:
                t_j = tl.load(key_times + start + tl.minimum(lanes_j, j_count - 1))
            k_tile = load_tile(k + start * k_stride + head * k_head, k_stride, j_count, WIDTH, BLOCK_J, COLUMNS)
            v_tile = load_tile(v + start * v_stride + head * v_head, v_stride, j_count, V_WIDTH, BLOCK_J, V_COLUMNS)
            k_gradient = tl.zeros((BLOCK_J, COLUMNS), tl.float32)
            v_gradient = tl.zeros((BLOCK_J, V_COLUMNS), tl.float32)

            # From here on queries go by their place in the row, of which the first `asking` have none.
            asking = length - queries
            query_start -= asking
            q_row = q + query_start * q_stride + head * q_head
            g_row = mixed_gradient + (query_start * heads + head) * V_WIDTH
            walk = query_walk(first, first + j_count, length, history, asking, CONTEXT, WINDOW, FULL_TAIL, BLOCK_I)
            steps = walk[6]
            for step in range(0, steps):
                i_first, i_count = query_range(step, asking, length, walk, CONTEXT, FULL_TAIL, BLOCK_I)
                place = i_first.to(tl.int64)
                q_tile = load_tile(q_row + place * q_stride, q_stride, i_count, WIDTH, BLOCK_I, COLUMNS)
                g_stride = heads * V_WIDTH
                g_tile = load_tile(g_row + place * g_stride, g_stride, i_count, V_WIDTH, BLOCK_I, V_COLUMNS)
                t_i = lanes_i
                if BIAS:
                    t_i = tl.load(query_times + query_start + place + tl.minimum(lanes_i, i_count - 1))
                weights, ds = _weights_and_ds(
                    q_tile, k_tile, v_tile, g_tile, i_first, i_count, j, r_j, t_i, t_j, history,
                    position, half, time, edges, around, scale,
                    TARGETS, CONTEXT, WINDOW, FULL_TAIL, BIAS, APPROXIMATE, BLOCK_I,
                )  # fmt: skip
                rounded = ds.to(k.dtype.element_ty)
                v_gradient += product(weights.to(v.dtype.element_ty), g_tile)
                k_gradient += product(rounded, q_tile)
                if not DETERMINISTIC:
                    part = product(tl.trans(rounded), k_tile) * (scale / divisor)
                    dq_tile = dq + ((query_start + place) * heads + head) * WIDTH
                    add_tile(dq_tile, heads * WIDTH, i_count, part, WIDTH, BLOCK_I, COLUMNS)
                if BIAS_GRADIENT:
                    diagonal = by_distance + half
                    add_by_distance(
                        ds, i_first, first, history, diagonal, TARGETS, CONTEXT, DETERMINISTIC, BLOCK_I, BLOCK_J
                    )
                    add_by_edge(ds, t_i[None, :], t_j[:, None], by_bucket, edges, around, DETERMINISTIC)
            k_base = dk + (start * heads + head) * WIDTH
            v_base = dv + (start * heads + head) * V_WIDTH
            store_tile(k_base, heads * WIDTH, j_count, k_gradient * (scale / divisor), WIDTH, BLOCK_J, COLUMNS)
            store_tile(v_base, heads * V_WIDTH, j_count, v_gradient / divisor, V_WIDTH, BLOCK_J, V_COLUMNS)
            if BIAS_GRADIENT:
                _add_by_bucket_near_the_diagonal(
                    q_row, g_row, k_tile, v_tile, j, r_j, t_j, walk, steps, asking, length, history,
                    q_stride, heads * V_WIDTH, query_times + query_start, position, half, time, edges, around, scale,
                    by_bucket, WIDTH, V_WIDTH, COLUMNS, V_COLUMNS, TARGETS, CONTEXT, WINDOW, FULL_TAIL, APPROXIMATE,
                    DETERMINISTIC, BLOCK_I,
                )  # fmt: skip


@triton.jit
def _weights_and_ds(
    q_tile, k_tile, v_tile, g_tile, i_first, i_count, j, r_j, t_i, t_j, history,
    position, half, time, edges, around, scale,
    TARGETS: tl.constexpr, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr,
    BIAS: tl.constexpr, APPROXIMATE: tl.constexpr, BLOCK_I: tl.constexpr,
):  # fmt: skip
    """SiLU(S) and dS of a tile, (BLOCK_J, BLOCK_I), zero where unseen."""
    lanes = tl.arange(0, BLOCK_I)
    r_i = relative(i_first + tl.minimum(lanes, i_count - 1), history, CONTEXT)[None, :]
    r_j = r_j[:, None]
    scores = product(k_tile, tl.trans(q_tile)) * scale
    if BIAS:
        scores += bias_weights(r_i, r_j, t_i[None, :], t_j[:, None], position, half, time, edges, around)
    # Not before the bias, whose branches would cost registers to carry it across.
    i = tl.where(lanes < i_count, i_first + lanes, -1)[None, :]
    seen = visible(i, j[:, None], r_i, r_j, history, TARGETS, CONTEXT, WINDOW, FULL_TAIL)
    gate = sigmoid(scores, APPROXIMATE)
    slopes = tl.where(seen, gate * (1.0 + scores * (1.0 - gate)), 0.0)
    return tl.where(seen, scores * gate, 0.0), product(v_tile, tl.trans(g_tile)) * slopes


@triton.jit
def _add_by_bucket_near_the_diagonal(
    q_row, g_row, k_tile, v_tile, j, r_j, t_j, walk, steps, asking, length, history,
    q_stride, g_stride, query_times, position, half, time, edges, around, scale, by_bucket,
    WIDTH: tl.constexpr, V_WIDTH: tl.constexpr, COLUMNS: tl.constexpr, V_COLUMNS: tl.constexpr,
    TARGETS: tl.constexpr, CONTEXT: tl.constexpr, WINDOW: tl.constexpr, FULL_TAIL: tl.constexpr,
    APPROXIMATE: tl.constexpr, DETERMINISTIC: tl.constexpr, BLOCK_I: tl.constexpr,
):  # fmt: skip
    """Computes the tiles with many buckets again, to sum them by bucket.

    They are few. A loop over buckets within the loop above would keep Triton from loading tiles ahead in all of them.
    """
    lanes_i = tl.arange(0, BLOCK_I)
    for step in range(0, steps):
        i_first, i_count = query_range(step, asking, length, walk, CONTEXT, FULL_TAIL, BLOCK_I)
        place = i_first.to(tl.int64)
        t_i = tl.load(query_times + place + tl.minimum(lanes_i, i_count - 1))
        lowest, highest, simple = extreme_buckets(t_i, t_j, edges, around)
        if not simple:
            q_tile = load_tile(q_row + place * q_stride, q_stride, i_count, WIDTH, BLOCK_I, COLUMNS)
            g_tile = load_tile(g_row + place * g_stride, g_stride, i_count, V_WIDTH, BLOCK_I, V_COLUMNS)
            _, ds = _weights_and_ds(
                q_tile, k_tile, v_tile, g_tile, i_first, i_count, j, r_j, t_i, t_j, history,
                position, half, time, edges, around, scale,
                TARGETS, CONTEXT, WINDOW, FULL_TAIL, True, APPROXIMATE, BLOCK_I,
            )  # fmt: skip
            add_by_bucket(ds, t_i[None, :], t_j[:, None], lowest, highest, by_bucket, edges, around, DETERMINISTIC)
