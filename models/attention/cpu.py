"""HSTU attention on a CPU, fused and tiled: see native/hstu_attention.cpp. Without a compiler, blocked PyTorch."""

import ctypes
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models import native
from models.attention import blocked
from models.attention.bias import AttentionBias, check_reach, time_bucket
from models.attention.mask import CAUSAL, AttentionMask, history_end

SOURCE = Path(__file__).parent / "native" / "hstu_attention.cpp"
POINTER, INT64, INT32, FLOAT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int32, ctypes.c_float


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
    """See `models.attention.hstu_attention`; fp32 or bf16, sums in fp32. The same result with any number of threads.

    Raises:
        ValueError: a row's times span more than 68 years.
    """
    if not native.compiles(SOURCE):
        return blocked.hstu_attention(
            q, k, v, offsets, divisor=divisor, scale=scale, mask=mask, bias=bias, query_offsets=query_offsets
        )
    if q.dtype not in (torch.float32, torch.bfloat16) or not q.device.type == "cpu":
        raise ValueError(f"the cpu backend computes fp32 and bf16 on a CPU, not {q.dtype} on {q.device}")
    # Either refuses a row that does not hold its context and candidates.
    if bias is None:
        history_end(offsets.diff(), mask)
    else:
        check_reach(bias, offsets, mask)
    fixed = (offsets, offsets if query_offsets is None else query_offsets, mask, scale, 1 / divisor)
    times = (None, None) if bias is None else (bias.query_times, bias.key_times)
    tables = (None, None) if bias is None else (bias.position, bias.time)
    mixed: Tensor = _Attention.apply(q, k, v, *tables, *times, *fixed)
    return mixed


class _Attention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, *rest: Any) -> Tensor:
        q, k, v = _dense(q), _dense(k), _dense(v)
        out = q.new_empty(len(q), q.shape[1], v.shape[2])
        _call("hstu_attention_forward", _arguments(q, k, v, *rest), _jagged(out))
        ctx.save_for_backward(q, k, v, *rest[:6])
        ctx.rest = rest[6:]
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        q, k, v, position, time, *others = ctx.saved_tensors
        gradients = [torch.empty_like(part, memory_format=torch.contiguous_format) for part in (q, k, v)]
        tables = [
            None if table is None else torch.zeros(table.shape, dtype=torch.float32) for table in (position, time)
        ]
        _call(
            "hstu_attention_backward",
            _arguments(q, k, v, position, time, *others, *ctx.rest),
            _Gradients(
                _jagged(_dense(grads[0])),
                *map(_jagged, gradients),
                *(None if t is None else t.data_ptr() for t in tables),
            ),
        )
        given = [
            None if table is None else table.to(of.dtype) for table, of in zip(tables, (position, time), strict=True)
        ]
        return *gradients, *given, *([None] * (len(others) + len(ctx.rest)))


class _Jagged(ctypes.Structure):
    _fields_ = (("data", POINTER), ("token_step", INT64), ("head_step", INT64))


class _Arguments(ctypes.Structure):
    _fields_ = (
        *((name, _Jagged) for name in ("q", "k", "v")),
        *((name, POINTER) for name in ("offsets", "query_offsets", "targets")),
        ("batch", INT64),
        *((name, INT32) for name in ("heads", "size", "value_size", "half_precision")),
        *((name, FLOAT) for name in ("scale", "weight")),
        *((name, INT64) for name in ("context", "window", "full_tail")),
        *((name, POINTER) for name in ("position", "time")),
        ("half", INT64),
        *((name, POINTER) for name in ("query_times", "key_times", "edges", "buckets")),
        ("threads", INT32),
    )


class _Gradients(ctypes.Structure):
    _fields_ = (
        *((name, _Jagged) for name in ("out", "q", "k", "v")),
        *((name, POINTER) for name in ("position", "time")),
    )


def _arguments(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    position: Tensor | None,
    time: Tensor | None,
    query_times: Tensor | None,
    key_times: Tensor | None,
    offsets: Tensor,
    query_offsets: Tensor,
    mask: AttentionMask,
    scale: float,
    weight: float,
) -> _Arguments:
    edges, buckets = bucket_edges()
    tensors = [None if table is None else table.float().contiguous() for table in (position, time)]
    whole = [
        None if part is None else part.long().contiguous()
        for part in (offsets, query_offsets, mask.targets, query_times, key_times)
    ]
    arguments = _Arguments(
        q=_jagged(q),
        k=_jagged(k),
        v=_jagged(v),
        offsets=_pointer(whole[0]),
        query_offsets=_pointer(whole[1]),
        targets=_pointer(whole[2]),
        batch=len(offsets) - 1,
        heads=q.shape[1],
        size=q.shape[2],
        value_size=v.shape[2],
        half_precision=int(q.dtype == torch.bfloat16),
        scale=scale,
        weight=weight,
        context=mask.context,
        window=mask.window,
        full_tail=mask.full_tail,
        position=_pointer(tensors[0]),
        time=_pointer(tensors[1]),
        half=0 if position is None else (len(position) - 1) // 2,
        query_times=_pointer(whole[3]),
        key_times=_pointer(whole[4]),
        edges=_pointer(edges),
        buckets=_pointer(buckets),
        threads=torch.get_num_threads(),
    )
    arguments.alive = (tensors, whole)
    return arguments


@cache
def bucket_edges() -> tuple[Tensor, Tensor]:
    """Time buckets as a table over the upper bits of a float: (256,) fp32 edges and (256,) int32 buckets below them.

    Row 8e + m is about x in 2^e * [1 + m/8, 1 + (m+1)/8), which holds the edge of at most one bucket: `time_bucket`
    decides which, so that both agree on every float.
    """
    start = (torch.arange(256, dtype=torch.int32) + (127 << 3)) << 20
    below, above = start.clone(), start + (1 << 20)
    first = time_bucket(start.view(torch.float32))
    for _ in range(20):
        middle = below + (above - below) // 2
        same = time_bucket(middle.view(torch.float32)) == first
        below, above = torch.where(same, middle, below), torch.where(same, above, middle)
    return above.view(torch.float32).clone(), first.to(torch.int32)


def _call(name: str, arguments: _Arguments, result: ctypes.Structure) -> None:
    function = getattr(native.kernel(SOURCE), name)
    function.restype = INT64
    wrong = function(ctypes.byref(arguments), ctypes.byref(result))
    if wrong >= 0:
        raise ValueError(f"row {wrong} spans more than 68 years: check the unit of its timestamps (milliseconds)")


def _dense(part: Tensor) -> Tensor:
    """`part` with its innermost dimension dense; the others may be strided, as slices of one projection are."""
    return part if part.stride(-1) == 1 else part.contiguous()


def _jagged(part: Tensor) -> _Jagged:
    return _Jagged(part.data_ptr(), part.stride(0), part.stride(1))


def _pointer(tensor: Tensor | None) -> int | None:
    return None if tensor is None else tensor.data_ptr()
