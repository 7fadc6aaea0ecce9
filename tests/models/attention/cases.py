"""Attention problems for comparing backends with the fp64 reference."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from hypothesis import strategies as st
from torch import Tensor

from models.attention import reference
from models.attention.bias import AttentionBias
from models.attention.mask import CAUSAL, AttentionMask

Attention = Callable[..., Tensor]


@dataclass(frozen=True)
class Case:
    """Random queries, keys, values and times of rows with `lengths`; of each row the last `asking` tokens ask."""

    lengths: list[int]
    heads: int = 2
    size: int = 5
    value_size: int = 7
    mask: AttentionMask = CAUSAL
    asking: list[int] | None = None
    biased: bool = True
    seed: int = 0

    def run(self, attention: Attention, dtype: torch.dtype) -> list[Tensor]:
        """Output, and the gradients of queries, keys, values and the two bias tables, all as fp64."""
        generator = torch.Generator().manual_seed(self.seed)
        offsets = torch.tensor([0, *self.lengths]).cumsum(0)
        query_offsets = None if self.asking is None else torch.tensor([0, *self.asking]).cumsum(0)
        keys, queries = sum(self.lengths), sum(self.lengths if self.asking is None else self.asking)
        divisor = max(self.lengths) + 2
        shapes = (queries, self.heads, self.size), (keys, self.heads, self.size), (keys, self.heads, self.value_size)
        inputs = [torch.randn(shape, generator=generator).to(dtype).requires_grad_() for shape in shapes]
        precise = torch.promote_types(dtype, torch.float32)
        tables = [torch.randn(n, generator=generator).to(precise).requires_grad_() for n in (2 * divisor - 1, 129)]
        times = [torch.randint(0, 10**10, (count,), generator=generator) for count in (queries, keys)]
        mixed = attention(
            *inputs,
            offsets,
            divisor=divisor,
            scale=0.4,
            mask=self.mask,
            bias=AttentionBias(tables[0], tables[1], *times) if self.biased else None,
            query_offsets=query_offsets,
        )
        mixed.backward(torch.linspace(-1, 1, mixed.numel()).view(mixed.shape).to(dtype))
        leaves = inputs + tables if self.biased else inputs
        return [mixed.detach().double(), *(gradient(leaf) for leaf in leaves)]


def gradient(leaf: Tensor) -> Tensor:
    return (torch.zeros_like(leaf) if leaf.grad is None else leaf.grad).double()


def assert_agrees(case: Case, attention: Attention, dtype: torch.dtype, tolerance: float) -> None:
    """Every result lies within `tolerance` of the fp64 reference, relative to the largest value of that result."""
    expected = case.run(reference.hstu_attention, torch.float64)
    actual = case.run(attention, dtype)
    assert len(actual) == len(expected)
    for one, other in zip(actual, expected, strict=True):
        assert one.shape == other.shape
        if other.numel():
            assert (one - other).abs().max() <= tolerance * other.abs().max().clamp(min=1e-3)


@st.composite
def cases(draw: st.DrawFn, longest: int = 40) -> Case:
    """Rows with context, history and candidates, any window; sometimes only the last tokens ask."""
    context = draw(st.sampled_from([0, 0, 1, 3]))
    window = draw(st.sampled_from([0, 0, 1, 9]))
    rows = draw(st.lists(st.tuples(st.integers(context, longest), st.integers(0, 6)), min_size=1, max_size=4))
    lengths = [history + targets for history, targets in rows]
    return Case(
        lengths=lengths,
        heads=draw(st.integers(1, 3)),
        size=draw(st.sampled_from([1, 5, 16, 25])),
        value_size=draw(st.sampled_from([1, 8, 17])),
        mask=AttentionMask(
            targets=draw(st.sampled_from([torch.tensor([targets for _, targets in rows])]))
            if draw(st.booleans())
            else None,
            context=context,
            window=window,
            full_tail=draw(st.integers(0, 4)) if window else 0,
        ),
        asking=[draw(st.integers(0, length)) for length in lengths] if draw(st.booleans()) else None,
        biased=draw(st.booleans()),
        seed=draw(st.integers(0, 100)),
    )
