"""Jagged HSTU attention on a GPU: against PyTorch's attention, the GPU's own peak and NVIDIA's published kernel.

Needs torch, triton and numpy alone: `python -m benchmarks.attention_cuda [--smoke]` runs it on a bare machine.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.attention_sides import Shape, Side, hstu_side, sdpa_side, uniform_lengths, zipf_lengths
from benchmarks.figures import Figures, Report, last_line
from benchmarks.timing import Spread

CUTLASS_MS = {
    512: (0.047, 0.133),
    1024: (0.104, 0.311),
    2048: (0.301, 0.895),
    4096: (1.04, 3.12),
    8192: (4.19, 11.7),
    16384: (15.7, 45.3),
}
"""Forward and backward of NVIDIA's CUTLASS kernel without bias: H100, bf16, B = 32, h = 4, d = 128, full causal rows.
Source: NVIDIA/recsys-examples, examples/hstu/training/benchmark (HSTU spec section 7.4)."""

FLUSH_BYTES = 256 << 20
"""More than any L2 cache: written before every reading, so that no input lies there yet."""


@dataclass(frozen=True)
class Plan:
    """What is measured; the peak is that of a product of two square matrices of `matmul` rows."""

    lengths: tuple[int, ...] = tuple(CUTLASS_MS)
    rows: int = 32
    heads: int = 4
    width: int = 128
    rounds: int = 10
    matmul: int = 8192
    stochastic_n: int = 8192
    alpha: float = 1.6


SMOKE = Plan(lengths=(256,), rows=2, rounds=2, matmul=512, stochastic_n=256)


def run(smoke: bool, report: Report) -> Figures:
    """Figures named `cuda_*`; times are medians, in turns, each reading on a cold L2 cache.

    Raises:
        RuntimeError: there is no GPU.
    """
    if not torch.cuda.is_available():
        raise RuntimeError("torch sees no GPU: the CUDA part of the attention benchmark needs one")
    plan = SMOKE if smoke else Plan()
    peak = _matmul_tflops(plan)
    report(f"{torch.cuda.get_device_name()}: {peak:.0f} TFLOPS in a bf16 product of {plan.matmul} x {plan.matmul}")
    figures: Figures = {"cuda_device": torch.cuda.get_device_name(), "cuda_matmul_tflops": peak}
    for n in plan.lengths:
        figures |= _full_rows(plan, n, peak, report)
        for fill, lengths in (("zipf", zipf_lengths(n, plan.rows)), ("uniform", uniform_lengths(n, plan.rows))):
            figures |= _jagged_rows(plan, f"{fill}_{n}", lengths, report)
    kept = stochastic_lengths(plan.stochastic_n, plan.rows, plan.alpha)
    padded = (plan.stochastic_n,) * plan.rows
    figures |= _jagged_rows(plan, f"stochastic_length_{plan.stochastic_n}", kept, report, padded)
    return figures


def stochastic_lengths(n: int, rows: int, alpha: float) -> tuple[int, ...]:
    """Rows of n tokens after Stochastic Length (HSTU paper section 3.2) with N = n.

    A share of N^alpha / n^2 stays whole, rounded up to rows; the others keep N^(alpha / 2) tokens.
    """
    whole = int(np.ceil(rows * n ** (alpha - 2)))
    return (n,) * whole + (int(n ** (alpha / 2)),) * (rows - whole)


def flops(shape: Shape) -> float:
    """Multiplications and additions of one causal forward pass; a backward pass has 2.5 times as many."""
    return 2.0 * shape.heads * shape.width * sum(n * n for n in shape.lengths)


def _full_rows(plan: Plan, n: int, peak: float, report: Report) -> Figures:
    shape = Shape((n,) * plan.rows, plan.heads, plan.width, torch.bfloat16, "cuda")
    figures: Figures = {}
    for direction, work, times in _directions(plan, {"genrec": hstu_side(shape, "triton"), "sdpa": sdpa_side(shape)}):
        ours, theirs = times["genrec"].median, times["sdpa"].median
        tflops = work * flops(shape) / ours / 1e12
        figures |= {
            f"cuda_{direction}_ms_{n}": ours * 1e3,
            f"cuda_{direction}_tflops_{n}": tflops,
            f"cuda_{direction}_peak_share_{n}": tflops / peak,
            f"cuda_sdpa_ratio_{direction}_{n}": theirs / ours,
        }
        line = f"n {n}, full, {direction}: {ours * 1e3:.3f} ms, {tflops:.0f} TFLOPS; sdpa {theirs * 1e3:.3f} ms"
        if n in CUTLASS_MS and plan.rows == Plan.rows:
            published = CUTLASS_MS[n][direction == "backward"]
            figures[f"cuda_cutlass_ratio_{direction}_{n}"] = ours * 1e3 / published
            line += f"; published CUTLASS {published} ms, ours takes {ours * 1e3 / published:.2f} times as long"
        report(line)
    return figures


def _jagged_rows(
    plan: Plan, name: str, lengths: tuple[int, ...], report: Report, padded: tuple[int, ...] | None = None
) -> Figures:
    """Ours over `lengths` against PyTorch's over `padded`, by default over as many rows of the longest."""
    shape = Shape(lengths, plan.heads, plan.width, torch.bfloat16, "cuda")
    other = Shape(padded or (shape.longest,) * len(lengths), plan.heads, plan.width, torch.bfloat16, "cuda")
    figures: Figures = {}
    total = {"genrec": 0.0, "sdpa": 0.0}
    for direction, _, times in _directions(plan, {"genrec": hstu_side(shape, "triton"), "sdpa": sdpa_side(other)}):
        figures[f"cuda_sdpa_ratio_{direction}_{name}"] = times["sdpa"].median / times["genrec"].median
        total = {side: total[side] + times[side].median for side in total}
    figures[f"cuda_sdpa_ratio_{name}"] = total["sdpa"] / total["genrec"]
    shown = f"{total['genrec'] * 1e3:.3f} ms, sdpa {total['sdpa'] * 1e3:.3f} ms"
    report(f"{name}, {shape.fill:.0%} full, forward and backward: {shown}")
    return figures


def _directions(plan: Plan, sides: dict[str, Side]) -> list[tuple[str, float, dict[str, Spread]]]:
    """Forward and backward: name, work relative to a forward pass, seconds by side."""
    return [
        ("forward", 1.0, _seconds({name: side.forward for name, side in sides.items()}, plan.rounds)),
        ("backward", 2.5, _seconds({name: side.backward() for name, side in sides.items()}, plan.rounds)),
    ]


def _seconds(work: Mapping[str, Callable[[], object]], rounds: int, warmup: int = 3) -> dict[str, Spread]:
    """Seconds on the GPU by side, in turns; the host runs ahead while the cache is flushed."""
    flush = torch.empty(FLUSH_BYTES, dtype=torch.int8, device="cuda")
    events: dict[str, list[tuple[torch.cuda.Event, torch.cuda.Event]]] = {name: [] for name in work}
    for index in range(warmup + rounds):
        for name, once in work.items():
            start, end = _event(), _event()
            flush.zero_()
            start.record()
            once()
            end.record()
            if index >= warmup:
                events[name].append((start, end))
    torch.cuda.synchronize()
    return {
        name: Spread.of(tuple(start.elapsed_time(end) / 1e3 for start, end in pairs)) for name, pairs in events.items()
    }


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]


def _matmul_tflops(plan: Plan) -> float:
    """The GPU's bf16 speed as it is, which the data sheet's is not."""
    a, b = (torch.randn(plan.matmul, plan.matmul, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    seconds = _seconds({"matmul": lambda: torch.mm(a, b)}, plan.rounds)["matmul"].median
    return 2.0 * float(plan.matmul) ** 3 / seconds / 1e12


if __name__ == "__main__":
    print(last_line("attention", run("--smoke" in sys.argv, lambda line: print(line, flush=True))))
