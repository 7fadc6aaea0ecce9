import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.attention.reference import hstu_attention, pad, token_places

OFFSETS = torch.tensor([0, 3])
Q = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64).view(3, 1, 1)
K = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64).view(3, 1, 1)
V = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64).view(3, 1, 1)


def no_bias(offsets: torch.Tensor) -> torch.Tensor:
    longest = int(offsets.diff().max())
    return torch.zeros(len(offsets) - 1, longest, longest, dtype=torch.float64)


def test_known_values_and_gradients() -> None:
    q, k, v = (tensor.clone().requires_grad_() for tensor in (Q, K, V))
    mixed = hstu_attention(q, k, v, OFFSETS, no_bias(OFFSETS), divisor=4)
    assert mixed.flatten().tolist() == pytest.approx([0.182765, 4.586750, -2.136786], abs=1e-6)
    mixed.sum().backward()
    assert q.grad.flatten().tolist() == pytest.approx([0.231918, 5.685839, 3.877602], abs=1e-6)
    assert k.grad.flatten().tolist() == pytest.approx([0.695753, 5.453921, 1.808237], abs=1e-6)
    assert v.grad.flatten().tolist() == pytest.approx([0.548294, 0.880797, -0.067235], abs=1e-6)


def test_the_divisor_only_scales() -> None:
    four = hstu_attention(Q, K, V, OFFSETS, no_bias(OFFSETS), divisor=4)
    nine = hstu_attention(Q, K, V, OFFSETS, no_bias(OFFSETS), divisor=9)
    torch.testing.assert_close(four * 4, nine * 9)


def test_gradients_agree_with_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = torch.tensor([0, 2, 2, 5])
    q, k, v = (torch.randn(5, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3))
    bias = torch.randn(3, 3, 3, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda *args: hstu_attention(*args[:3], offsets, args[3], 7), (q, k, v, bias))


@given(lengths=st.lists(st.integers(0, 6), min_size=1, max_size=5))
def test_padding_keeps_every_token_in_its_place(lengths: list[int]) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    tokens = torch.arange(1, int(offsets[-1]) + 1)
    rows, positions = token_places(offsets)
    padded = pad(tokens, offsets)
    assert padded.shape == (len(lengths), max(lengths))
    assert torch.equal(padded[rows, positions], tokens)
    assert int((padded > 0).sum()) == sum(lengths)


@given(lengths=st.lists(st.integers(0, 5), min_size=2, max_size=4))
def test_a_row_does_not_depend_on_the_others(lengths: list[int]) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    tokens = torch.linspace(-1, 1, int(offsets[-1]) * 2, dtype=torch.float64).view(-1, 1, 2)
    together = hstu_attention(tokens, tokens, tokens, offsets, no_bias(offsets), divisor=6)
    for row, length in enumerate(lengths):
        part = tokens[offsets[row] : offsets[row + 1]]
        alone = torch.tensor([0, length])
        expected = hstu_attention(part, part, part, alone, no_bias(alone), divisor=6)
        torch.testing.assert_close(together[offsets[row] : offsets[row + 1]], expected)
