"""The Triton kernels against the fp64 reference: on the GPU where there is one, else on Triton's interpreter.

Where there is no GPU `test_triton.py` runs this file in a process of its own. The interpreter's tiles are 16 queries by
16 keys forward and 16 by 32 backward, so short rows meet every edge.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.attention import AttentionBias, AttentionMask, reference, use_backend
from models.attention import hstu_attention as dispatched
from models.attention.bias import time_bucket
from models.attention.triton_buckets import bucket_tables
from tests.models.attention.cases import Attention, Case, assert_agrees, cases
from tests.models.gradients import gradient

if not torch.cuda.is_available() and os.environ.get("TRITON_INTERPRET") != "1":
    pytest.skip("Triton needs a GPU or its interpreter", allow_module_level=True)

from models.attention import triton

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
ROWS = torch.tensor([0, 3])
Q = torch.tensor([1.0, 1.0, 1.0]).view(3, 1, 1)
K = torch.tensor([1.0, 2.0, -1.0]).view(3, 1, 1)
V = torch.tensor([1.0, 10.0, 100.0]).view(3, 1, 1)
TARGETS = torch.tensor([19, 0, 2, 1])
LENGTHS = [34, 0, 16, 1]


def attention(q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, **options: Any) -> Tensor:
    """The backend on its device, for callers that live on the CPU."""

    def move(value: Any) -> Any:
        return value.to(DEVICE) if isinstance(value, Tensor) else value

    mask, bias = options.pop("mask", AttentionMask()), options.pop("bias", None)
    mask = AttentionMask(move(mask.targets), mask.context, mask.window, mask.full_tail)
    if bias is not None:
        bias = AttentionBias(*map(move, (bias.position, bias.time, bias.query_times, bias.key_times)))
    options = {name: move(value) for name, value in options.items()}
    return triton.hstu_attention(*map(move, (q, k, v, offsets)), mask=mask, bias=bias, **options).cpu()


@contextmanager
def fixed_order(fixed: bool) -> Iterator[None]:
    torch.use_deterministic_algorithms(fixed)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (AttentionMask(), [0.182765, 4.586750, -2.136786]),
        (AttentionMask(targets=torch.tensor([2])), [0.182765, 4.586750, -6.540771]),
        (AttentionMask(targets=torch.tensor([3])), [0.182765, 4.403985, -6.723536]),
        (AttentionMask(window=1), [0.182765, 4.586750, -2.319551]),
        (AttentionMask(context=2), [-2.136786, -2.136786, -2.136786]),
        (AttentionMask(targets=torch.tensor([1]), context=2), [4.586750, 4.586750, -2.136786]),
    ],
)
def test_known_values(mask: AttentionMask, expected: list[float]) -> None:
    assert attention(Q, K, V, ROWS, divisor=4, mask=mask).flatten().tolist() == pytest.approx(expected, abs=2e-6)


def test_known_gradients() -> None:
    q, k, v = (tensor.clone().requires_grad_() for tensor in (Q, K, V))
    attention(q, k, v, ROWS, divisor=4).sum().backward()
    assert gradient(q).flatten().tolist() == pytest.approx([0.231918, 5.685839, 3.877602], abs=2e-6)
    assert gradient(k).flatten().tolist() == pytest.approx([0.695753, 5.453921, 1.808237], abs=2e-6)
    assert gradient(v).flatten().tolist() == pytest.approx([0.548294, 0.880797, -0.067235], abs=2e-6)


@pytest.mark.parametrize(
    "mask",
    [
        AttentionMask(),
        AttentionMask(targets=TARGETS),
        AttentionMask(window=7),
        AttentionMask(window=20, full_tail=9),
        AttentionMask(targets=TARGETS, window=3, full_tail=5),
        AttentionMask(targets=TARGETS, window=18),
    ],
)
def test_masks_around_the_edges_of_tiles(mask: AttentionMask) -> None:
    assert_agrees(Case(LENGTHS, heads=1, mask=mask), attention, torch.float32, 1e-5)


@pytest.mark.parametrize(("context", "window"), [(1, 0), (3, 6), (17, 6), (36, 0)])
def test_context_and_candidates_with_and_without_window(context: int, window: int) -> None:
    mask = AttentionMask(torch.tensor([2, 9]), context, window, full_tail=window // 2)
    assert_agrees(Case([38, 46], heads=1, mask=mask), attention, torch.float32, 1e-5)


@pytest.mark.parametrize("context", [0, 3])
@pytest.mark.parametrize("full_tail", [0, 8])
def test_a_tail_that_sees_tiles_which_the_window_has_left(context: int, full_tail: int) -> None:
    mask = AttentionMask(torch.tensor([6]), context, window=3, full_tail=full_tail)
    assert_agrees(Case([66], heads=1, mask=mask, biased=full_tail > 0), attention, torch.float32, 1e-5)


def test_only_the_last_tokens_ask() -> None:
    mask = AttentionMask(torch.tensor([4, 0, 17]), context=3, window=9, full_tail=2)
    case = Case([36, 8, 24], heads=1, mask=mask, asking=[19, 0, 17])
    assert_agrees(case, attention, torch.float32, 1e-5)


@pytest.mark.parametrize(("size", "value_size"), [(8, 25), (25, 8), (50, 16), (64, 1), (1, 64)])
def test_head_widths(size: int, value_size: int) -> None:
    case = Case([18, 1], heads=1, size=size, value_size=value_size, biased=size > 25)
    assert_agrees(case, attention, torch.float32, 1e-5)


@settings(max_examples=5, deadline=None)
@given(case=cases(longest=18), fixed=st.booleans())
def test_any_shape(case: Case, fixed: bool) -> None:
    with fixed_order(fixed):
        assert_agrees(case, attention, torch.float32, 1e-5)


def test_two_runs_in_fixed_order_are_equal_to_the_bit() -> None:
    case = Case([20, 3], heads=1, mask=AttentionMask(torch.tensor([3, 0]), context=2))
    with fixed_order(True):
        first, second = (case.run(attention, torch.float32) for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("fixed", [False, True])
def test_sixteen_bits_lose_no_more_than_their_rounding(dtype: torch.dtype, fixed: bool) -> None:
    def rounded(q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, **options: Any) -> Tensor:
        q, k, v = (part.to(dtype).double() for part in (q, k, v))
        return reference.hstu_attention(q, k, v, offsets, **options)

    case = Case([4096 if DEVICE == "cuda" else 24], heads=1, size=32, value_size=32)
    with fixed_order(fixed):
        actual = case.run(attention, dtype)
    expected = case.run(rounded, torch.float64)
    for one, other in zip(actual, expected, strict=True):
        assert (one - other).norm() < 1e-2 * other.norm()


def bias_by_time(query_times: Tensor, key_times: Tensor) -> Tensor:
    """The bias that the kernel adds for each pair of one row, told apart by the values of one-hot rows."""
    count = len(key_times)
    table = torch.linspace(0.5, 4.0, 129)
    bias = AttentionBias(torch.zeros(2 * count - 1), table, query_times, key_times)
    nothing, hot = torch.zeros(count, 1, 1), torch.eye(count).view(count, 1, count)
    return attention(nothing, nothing, hot, torch.tensor([0, count]), divisor=1, bias=bias)[:, 0]


@pytest.mark.parametrize("shift", [-1, 0, 1])
def test_the_kernel_takes_the_bucket_on_either_side_of_an_edge(shift: int) -> None:
    edges = bucket_tables(torch.device("cpu"))[0]
    times = edges[edges < 10**14].unique() + shift
    expected = torch.nn.functional.silu(torch.linspace(0.5, 4.0, 129)[time_bucket(times.clamp(min=0) // 1000)])
    now = 1_700_000_000_000
    shown = bias_by_time(torch.full_like(times, now), now - times)
    torch.testing.assert_close(shown[-1], expected, atol=2e-3 if DEVICE == "cuda" else 1e-6, rtol=0)


def test_two_bursts_that_an_edge_divides() -> None:
    """Between the bursts lies one edge: whole tiles are decided by one comparison, forward and backward."""
    start, gap = 1_700_000_000_000, 2_543_367_000
    times = torch.cat([start + torch.arange(32) * 500, start + gap + 16_000 + torch.arange(20) * 500 - 9_500])
    generator = torch.Generator().manual_seed(0)
    leaves = [torch.randn(shape, generator=generator) for shape in ((52, 2, 4), (52, 2, 4), (52, 2, 4), (103,), (129,))]

    def run(attend: Attention, dtype: torch.dtype) -> list[Tensor]:
        q, k, v, position, time = inputs = [leaf.clone().to(dtype).requires_grad_() for leaf in leaves]
        bias = AttentionBias(position, time, times + 250, times)
        mixed = attend(q, k, v, torch.tensor([0, 52]), divisor=52, bias=bias)
        mixed.backward(torch.linspace(-1, 1, mixed.numel(), dtype=dtype).view(mixed.shape))
        return [mixed.detach(), *(gradient(leaf) for leaf in inputs)]

    for one, other in zip(run(attention, torch.float32), run(reference.hstu_attention, torch.float64), strict=True):
        torch.testing.assert_close(one.double(), other, atol=1e-6, rtol=1e-4)


def test_slices_of_one_projection_need_no_copy() -> None:
    joint = torch.randn(9, 3 * 2 * 4, generator=torch.Generator().manual_seed(0))
    q, k, v = (part.unflatten(-1, (2, 4)) for part in joint.chunk(3, dim=-1))
    offsets = torch.tensor([0, 5, 9])
    dense = attention(q.contiguous(), k.contiguous(), v.contiguous(), offsets, divisor=9)
    assert torch.equal(attention(q, k, v, offsets, divisor=9), dense)


def test_a_nan_stays_in_its_row_and_head() -> None:
    tokens = torch.randn(40, 2, 5, generator=torch.Generator().manual_seed(1))
    offsets = torch.tensor([0, 20, 40])
    clean = attention(tokens, tokens, tokens, offsets, divisor=20)
    tokens[3, 0, 0] = torch.nan
    spoiled = attention(tokens, tokens, tokens, offsets, divisor=20)
    assert torch.equal(spoiled[20:], clean[20:])
    assert torch.equal(spoiled[:20, 1], clean[:20, 1])
    assert spoiled[3:20, 0].isnan().any(dim=1).all()


@pytest.mark.parametrize("offsets", [[0], [0, 0, 0]])
def test_nothing_to_attend_to(offsets: list[int]) -> None:
    q, k, v = (torch.zeros(0, 2, 4, requires_grad=True) for _ in range(3))
    mixed = attention(q, k, v, torch.tensor(offsets), divisor=4)
    mixed.sum().backward()
    assert mixed.shape == gradient(q).shape == gradient(v).shape == (0, 2, 4)


def test_dispatch_reaches_the_kernels() -> None:
    with use_backend("triton"):
        mixed = dispatched(*(part.to(DEVICE) for part in (Q, K, V, ROWS)), divisor=4)
    assert mixed.flatten().tolist() == pytest.approx([0.182765, 4.586750, -2.136786], abs=2e-6)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="computes fp32, fp16 and bf16, not torch"):
        attention(Q.double(), K.double(), V.double(), ROWS, divisor=4)
    with pytest.raises(ValueError, match="must rise from 0 to the 3 keys and 3 queries"):
        attention(Q, K, V, torch.tensor([0, 4]), divisor=4)
    with pytest.raises(ValueError, match="no row may have more queries than keys"):
        attention(Q, K, V, torch.tensor([0, 1, 3]), divisor=4, query_offsets=torch.tensor([0, 2, 3]))
    with pytest.raises(ValueError, match="row 0 has 3 tokens, which do not hold 2 of context and 2 candidates"):
        attention(Q, K, V, ROWS, divisor=4, mask=AttentionMask(torch.tensor([2]), context=2))
    times = torch.zeros(3, dtype=torch.long)
    with pytest.raises(ValueError, match="row 0 has 3 tokens, more than the 2 positions"):
        attention(Q, K, V, ROWS, divisor=4, bias=AttentionBias(torch.zeros(3), torch.zeros(129), times, times))
