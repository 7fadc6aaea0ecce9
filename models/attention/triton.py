"""HSTU attention as Triton kernels: jagged, the relative bias inside, scores never stored, forward and backward.

Inputs of 16 bits are multiplied as such and summed in fp32; fp32 inputs are multiplied in full fp32, without TF32.
Nothing but the inputs is kept for the backward pass. `torch.use_deterministic_algorithms(True)` makes two runs equal to
the bit: no sum depends on the order of threads, and block sizes come from a list instead of a stopwatch.

Without a GPU the kernels run on Triton's interpreter (slowly): set TRITON_INTERPRET=1 before this module is imported.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
from torch import Tensor
from torch.autograd.function import once_differentiable

from models.attention.bias import TIME_BUCKETS, AttentionBias
from models.attention.mask import CAUSAL, AttentionMask
from models.attention.triton_buckets import bucket_tables
from models.attention.triton_configs import INTERPRETED
from models.attention.triton_keys import keys_kernel
from models.attention.triton_queries import queries_kernel
from models.attention.triton_rows import longest_rows

# Partial sums of the bias gradient. A constant, because the order of summation depends on it.
BIAS_COPIES = 512


@dataclass(frozen=True)
class _Call:
    """What a call needs besides the tensors that have gradients."""

    offsets: Tensor
    query_offsets: Tensor
    order: Tensor
    longest: int
    longest_query: int
    mask: AttentionMask
    targets: Tensor | None
    times: tuple[Tensor, Tensor] | None
    scale: float
    divisor: int
    deterministic: bool

    @property
    def rows(self) -> int:
        return len(self.order)


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
    """See `models.attention.hstu_attention`; fp32, fp16 or bf16, any widths. Waits for the GPU once, for the lengths.

    Raises:
        ValueError: the dtype or device is not one that the kernels know, or the offsets do not fit the tensors.
    """
    if q.dtype not in (torch.float32, torch.float16, torch.bfloat16):
        raise ValueError(f"the triton backend computes fp32, fp16 and bf16, not {q.dtype}: use the reference backend")
    if not (q.is_cuda or INTERPRETED):
        raise ValueError(f"queries are on {q.device}: Triton needs a GPU, or TRITON_INTERPRET=1 set before its import")
    asking = offsets if query_offsets is None else query_offsets
    longest, longest_query = longest_rows(len(q), len(k), offsets, asking, mask, bias)
    call = _Call(
        offsets=offsets.long().contiguous(),
        query_offsets=asking.long().contiguous(),
        # The longest rows start first, so that no long one is left running alone at the end.
        order=offsets.diff().argsort(descending=True, stable=True).int(),
        longest=longest,
        longest_query=longest_query,
        mask=mask,
        targets=None if mask.targets is None else mask.targets.long().contiguous(),
        times=None if bias is None else (bias.query_times.long().contiguous(), bias.key_times.long().contiguous()),
        scale=scale,
        divisor=divisor,
        deterministic=torch.are_deterministic_algorithms_enabled(),
    )
    tables = (None, None) if bias is None else (bias.position.contiguous(), bias.time.contiguous())
    with torch.cuda.device_of(q):
        mixed: Tensor = _Attention.apply(q, k, v, *tables, call)
    return mixed


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, position: Tensor | None, time: Tensor | None, call: _Call
    ) -> Tensor:
        inputs = _Inputs(_dense(q), _dense(k), _dense(v), position, time)
        mixed = _empty(q.shape[:2] + v.shape[2:], v)
        _walk_keys(inputs, call, mixed)
        ctx.save_for_backward(*inputs)
        ctx.call = call
        return mixed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, mixed_gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, call = _Inputs(*ctx.saved_tensors), ctx.call
        mixed_gradient = mixed_gradient.contiguous()
        dk, dv = _empty(inputs.k.shape, inputs.k), _empty(inputs.v.shape, inputs.v)
        dq = torch.zeros(inputs.q.shape, dtype=torch.float32, device=inputs.q.device)
        tables = _walk_queries(inputs, call, mixed_gradient, (dq, dk, dv), bias_wanted=any(ctx.needs_input_grad[3:5]))
        if call.deterministic:
            _walk_keys(inputs, call, dq, mixed_gradient)
        return dq.to(inputs.q.dtype), dk, dv, *tables, None


class _Inputs(NamedTuple):
    q: Tensor
    k: Tensor
    v: Tensor
    position: Tensor | None
    time: Tensor | None


def _walk_keys(inputs: _Inputs, call: _Call, result: Tensor, mixed_gradient: Tensor | None = None) -> None:
    """Writes the attention into `result`, or the queries' gradient where the attention's is given."""
    units = call.rows * inputs.q.shape[1]
    if not len(result):
        return
    queries_kernel[lambda blocks: (units * triton.cdiv(call.longest_query, blocks["BLOCK_I"]),)](
        mixed_gradient=mixed_gradient,
        result=result,
        longest=call.longest_query,
        length_class=triton.next_power_of_2(call.longest),
        BACKWARD=mixed_gradient is not None,
        **_shared_arguments(inputs, call),
    )


def _walk_queries(
    inputs: _Inputs, call: _Call, mixed_gradient: Tensor, gradients: tuple[Tensor, Tensor, Tensor], bias_wanted: bool
) -> list[Tensor | None]:
    """Writes the keys' and values' gradients, adds the queries' unless order counts, and returns the tables'."""
    dq, dk, dv = gradients
    units = call.rows * inputs.q.shape[1]
    tables = [table for table in (inputs.position, inputs.time) if bias_wanted and table is not None]
    lengths = [len(table) for table in tables]
    sums = torch.zeros(BIAS_COPIES, sum(lengths), dtype=torch.float32, device=dq.device)

    def grid(blocks: dict[str, int]) -> tuple[int]:
        programs = units * triton.cdiv(call.longest, blocks["BLOCK_J"])
        return (min(programs, BIAS_COPIES) if tables and call.deterministic else programs,)

    if len(dk):
        keys_kernel[grid](
            mixed_gradient=mixed_gradient,
            dq=dq,
            dk=dk,
            dv=dv,
            bias_gradient=sums,
            rows=call.rows,
            longest=call.longest,
            length_class=triton.next_power_of_2(call.longest),
            copies=BIAS_COPIES,
            BIAS_GRADIENT=bias_wanted,
            BUCKETS=TIME_BUCKETS + 1,
            **_shared_arguments(inputs, call),
        )
    if not tables:
        return [None, None]
    parts = (sums.sum(0) / call.divisor).split(lengths)
    return [part.to(table.dtype) for part, table in zip(parts, tables, strict=True)]


def _shared_arguments(inputs: _Inputs, call: _Call) -> dict[str, Any]:
    q, k, v, position, time = inputs
    width, v_width = q.shape[2], v.shape[2]
    query_times, key_times = (None, None) if call.times is None else call.times
    edges, around = bucket_tables(q.device) if call.times is not None else (None, None)
    return {
        "q": q,
        "k": k,
        "v": v,
        "order": call.order,
        "offsets": call.offsets,
        "query_offsets": call.query_offsets,
        "targets": call.targets,
        "position": position,
        "time": time,
        "query_times": query_times,
        "key_times": key_times,
        "edges": edges,
        "around": around,
        "q_stride": q.stride(0),
        "q_head": q.stride(1),
        "k_stride": k.stride(0),
        "k_head": k.stride(1),
        "v_stride": v.stride(0),
        "v_head": v.stride(1),
        "heads": q.shape[1],
        "half": 0 if position is None else (len(position) - 1) // 2,
        "scale": call.scale,
        "divisor": call.divisor,
        "WIDTH": width,
        "V_WIDTH": v_width,
        "COLUMNS": _columns(width),
        "V_COLUMNS": _columns(v_width),
        "TARGETS": call.targets is not None,
        "CONTEXT": call.mask.context,
        "WINDOW": call.mask.window,
        "FULL_TAIL": call.mask.full_tail,
        "BIAS": position is not None,
        "APPROXIMATE": q.element_size() == 2 and not INTERPRETED,
        "DETERMINISTIC": call.deterministic,
    }


def _empty(shape: torch.Size, like: Tensor) -> Tensor:
    return torch.empty(shape, dtype=like.dtype, device=like.device)


def _dense(part: Tensor) -> Tensor:
    """`part` with its innermost dimension dense; the others may be strided, as slices of one projection are."""
    return part if part.stride(-1) == 1 else part.contiguous()


def _columns(width: int) -> int:
    """A tile's columns: a power of two, and no less than what the tensor cores multiply."""
    return max(16, triton.next_power_of_2(width))
