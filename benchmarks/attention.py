"""Jagged HSTU attention against padded attention: time and memory, forward and backward, from short rows to long ones.

Ours computes with the relative bias on. Against it, over rows padded to the longest: PyTorch's causal softmax attention
without bias, and, where its memory allows, the naive reference of HSTU attention.
"""

from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.attention_sides import (
    Shape,
    hstu_side,
    memory_side,
    sdpa_side,
    uniform_lengths,
    zipf_lengths,
)
from benchmarks.figures import Figures, Report
from benchmarks.peak_memory import peak_memory
from benchmarks.timing import Samples, interleaved, speedup

FILLS = {"zipf": zipf_lengths, "uniform": uniform_lengths}
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}
MEGABYTE = 1 << 20


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        lengths: n, the longest row.
        slots: Padded tokens of a batch; it has slots / n rows.
        reference_pairs: B n² up to which the naive reference is measured.
        memory_lengths: n of the memory readings, of `memory_rows` full rows.
        memory_sides: Whose memory is read.
    """

    lengths: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192)
    slots: int = 32_768
    heads: int = 4
    width: int = 64
    rounds: int = 3
    reference_pairs: int = 1 << 25
    memory_lengths: tuple[int, ...] = (1024, 2048, 4096, 8192)
    memory_rows: int = 4
    memory_sides: tuple[str, ...] = ("cpu", "sdpa", "reference")


SMOKE = Plan((32, 64), 128, 2, 16, 1, memory_lengths=(512, 2048), memory_rows=16, memory_sides=("cpu",))


def run(smoke: bool, report: Report) -> Figures:
    """Per n: `sdpa_ratio_{n}` and more, forward and backward at Zipf lengths in fp32 unless the name says otherwise.

    `peak_memory_exponent` is the slope of log(memory beyond the inputs) over log(n) at a fixed number of rows: 1 where
    memory grows as n, 2 where it grows as n². Where there is a GPU, the figures of `attention_cuda` follow.
    """
    plan = SMOKE if smoke else Plan()
    figures: Figures = {}
    for n in plan.lengths:
        for fill in FILLS:
            figures |= _speed(plan, n, fill, report)
    figures |= _memory(plan, report)
    if torch.cuda.is_available():
        from benchmarks import attention_cuda

        figures |= attention_cuda.run(smoke, report)
    return figures


def _speed(plan: Plan, n: int, fill: str, report: Report) -> Figures:
    rows = plan.slots // n
    lengths = FILLS[fill](n, rows)
    suffix = str(n) if fill == "zipf" else f"{fill}_{n}"
    figures: Figures = {}
    for dtype_name, dtype in DTYPES.items():
        shape = Shape(lengths, plan.heads, plan.width, dtype)
        sides = {"genrec": hstu_side(shape, "cpu"), "sdpa": sdpa_side(shape)}
        if dtype_name == "fp32" and rows * n * n <= plan.reference_pairs:
            sides["reference"] = hstu_side(shape, "reference")
        both = interleaved({name: side.forward_backward for name, side in sides.items()}, plan.rounds)
        forward = interleaved({name: side.forward for name, side in sides.items()}, plan.rounds)
        report(f"n {n}, {fill}, {rows} rows {shape.fill:.0%} full, {dtype_name}: {_line(both)}")
        for name in list(sides)[1:]:
            kind = "" if dtype_name == "fp32" else f"{dtype_name}_"
            figures[f"{name}_ratio_{kind}{suffix}"] = speedup(both[name], both["genrec"]).median
            figures[f"{name}_ratio_{kind}forward_{suffix}"] = speedup(forward[name], forward["genrec"]).median
        figures[f"ms_{dtype_name}_{suffix}"] = both["genrec"].spread.median * 1e3
    return figures


def _line(samples: dict[str, Samples]) -> str:
    ours = f"{samples['genrec'].spread.median * 1e3:.1f} ms"
    others = [
        f"{name} {side.spread.median * 1e3:.1f} ms, {speedup(side, samples['genrec'])} times ours"
        for name, side in samples.items()
        if name != "genrec"
    ]
    return "; ".join([ours, *others])


def _memory(plan: Plan, report: Report) -> Figures:
    figures: Figures = {}
    for side in plan.memory_sides:
        prefix = "" if side == "cpu" else f"{side}_"
        naive = side == "reference"
        lengths = [n for n in plan.memory_lengths if not naive or plan.memory_rows * n * n <= plan.reference_pairs]
        read = [_peak(side, n, plan) for n in lengths]
        shown = ", ".join(f"n {n}: {peak / MEGABYTE:.1f}" for n, peak in zip(lengths, read, strict=True))
        report(f"memory of {side} beyond inputs, {plan.memory_rows} full rows, MiB: {shown}")
        figures[f"{prefix}peak_memory_exponent"] = float(np.polyfit(np.log(lengths), np.log(np.maximum(read, 1)), 1)[0])
        figures[f"{prefix}peak_memory_mib_{lengths[-1]}"] = read[-1] / MEGABYTE
    return figures


def _peak(side: str, n: int, plan: Plan) -> int:
    function = f"{memory_side.__module__}:{memory_side.__name__}"
    return peak_memory(function, side=side, n=n, rows=plan.memory_rows, heads=plan.heads, width=plan.width)
