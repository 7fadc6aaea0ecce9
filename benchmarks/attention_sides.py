"""The attentions that are measured against each other, over the same row lengths. Imports torch and numpy alone.

Shapes: B rows of given lengths, L tokens in all, n longest row, h heads, d width of a head.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.attention import AttentionBias, hstu_attention, use_backend
from models.attention.bias import TIME_BUCKETS
from models.attention.dispatch import Backend

MEAN_GAP_MS = 3_600_000


@dataclass(frozen=True)
class Shape:
    """Row lengths, heads, width of a head, type and device."""

    lengths: tuple[int, ...]
    heads: int
    width: int
    dtype: torch.dtype = torch.float32
    device: str = "cpu"

    @property
    def longest(self) -> int:
        return max(self.lengths)

    @property
    def fill(self) -> float:
        """Share of the padded rectangle that holds tokens."""
        return sum(self.lengths) / (len(self.lengths) * self.longest)


@dataclass(frozen=True)
class Side:
    """One attention over fixed inputs.

    Attributes:
        attend: Computes the output.
        leaves: What gradients are taken of.
    """

    attend: Callable[[], Tensor]
    leaves: tuple[Tensor, ...]

    def forward(self) -> None:
        with torch.no_grad():
            self.attend()

    def forward_backward(self) -> None:
        out = self.attend()
        torch.autograd.grad(out, self.leaves, torch.ones_like(out))

    def backward(self) -> Callable[[], None]:
        """The backward pass alone, over a forward pass done now."""
        out = self.attend()
        ones = torch.ones_like(out)

        def again() -> None:
            torch.autograd.grad(out, self.leaves, ones, retain_graph=True)

        return again


def zipf_lengths(n: int, rows: int) -> tuple[int, ...]:
    """Lengths of 1..n with probability ~ 1/length, taken at evenly spaced quantiles: always the same, the longest n."""
    return tuple(max(1, round(n ** ((row + 1) / rows))) for row in range(rows))


def uniform_lengths(n: int, rows: int) -> tuple[int, ...]:
    """Lengths spread evenly over 1..n, the longest n."""
    return tuple(max(1, round(n * (row + 1) / rows)) for row in range(rows))


def hstu_side(shape: Shape, backend: Backend) -> Side:
    """Jagged HSTU attention with the relative bias in position and time, gradients of all five inputs."""
    generator = torch.Generator(shape.device).manual_seed(0)
    tokens = sum(shape.lengths)
    q, k, v = (_leaf((tokens, shape.heads, shape.width), shape, generator) for _ in range(3))
    position = _leaf((2 * shape.longest - 1,), shape, generator, torch.float32)
    time = _leaf((TIME_BUCKETS + 1,), shape, generator, torch.float32)
    gaps = np.random.default_rng(0).exponential(MEAN_GAP_MS, tokens)
    times = torch.from_numpy(np.cumsum(gaps).astype(np.int64)).to(shape.device)
    bias = AttentionBias(position, time, times + MEAN_GAP_MS, times)
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(shape.lengths)])).to(shape.device)

    def attend() -> Tensor:
        with use_backend(backend):
            return hstu_attention(q, k, v, offsets, divisor=shape.longest, bias=bias)

    return Side(attend, (q, k, v, position, time))


def sdpa_side(shape: Shape) -> Side:
    """PyTorch's causal softmax attention over rows padded to the longest; padding them is not counted, nor any bias."""
    generator = torch.Generator(shape.device).manual_seed(0)
    padded = (len(shape.lengths), shape.heads, shape.longest, shape.width)
    q, k, v = (_leaf(padded, shape, generator) for _ in range(3))
    return Side(lambda: F.scaled_dot_product_attention(q, k, v, is_causal=True), (q, k, v))


def memory_side(side: str, n: int, rows: int, heads: int, width: int) -> Callable[[], None]:
    """Forward and backward of `rows` rows of n tokens in fp32: the work whose memory is read. `sdpa`, or a backend."""
    shape = Shape((n,) * rows, heads, width)
    if side == "sdpa":
        return sdpa_side(shape).forward_backward
    return hstu_side(shape, "cpu" if side == "cpu" else "reference").forward_backward


def _leaf(size: tuple[int, ...], shape: Shape, generator: torch.Generator, dtype: torch.dtype | None = None) -> Tensor:
    drawn = torch.randn(size, generator=generator, device=shape.device) * 0.1
    return drawn.to(dtype or shape.dtype).requires_grad_()
