from math import exp

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.attention.bias import AttentionBias
from models.attention.mask import AttentionMask
from models.attention.softmax import softmax_attention

OFFSETS = torch.tensor([0, 3])
Q = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64).view(3, 1, 1)
K = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64).view(3, 1, 1)
V = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64).view(3, 1, 1)
E = exp(1)


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (AttentionMask(), [1, (1 + 10 * E) / (1 + E), (1 + 10 * E + 100 / E**2) / (1 + E + 1 / E**2)]),
        (AttentionMask(window=1), [1, (1 + 10 * E) / (1 + E), (10 + 100 / E**3) / (1 + 1 / E**3)]),
        (AttentionMask(targets=torch.tensor([2])), [1, (1 + 10 * E) / (1 + E), (1 + 100 / E**2) / (1 + 1 / E**2)]),
        (AttentionMask(context=2), [(1 + 10 * E + 100 / E**2) / (1 + E + 1 / E**2)] * 3),
    ],
)
def test_weights_are_a_softmax_over_what_is_visible(mask: AttentionMask, expected: list[float]) -> None:
    mixed = softmax_attention(Q, K, V, OFFSETS, scale=1.0, mask=mask)
    assert mixed.flatten().tolist() == pytest.approx(expected)


def test_the_scale_comes_before_the_softmax() -> None:
    mixed = softmax_attention(Q[:2], K[:2], V[:2], torch.tensor([0, 2]), scale=0.5)
    assert mixed[1].item() == pytest.approx((1 + 10 * E**0.5) / (1 + E**0.5))


def test_the_bias_comes_before_the_softmax() -> None:
    """Distance 1 adds 2 and bucket 0 adds 0; the products are 1 and 2."""
    bias = AttentionBias(
        torch.tensor([0.0, 2.0, 0.0, 0.0, 0.0], dtype=torch.float64),
        torch.zeros(129, dtype=torch.float64),
        torch.zeros(2, dtype=torch.int64),
        torch.zeros(2, dtype=torch.int64),
    )
    mixed = softmax_attention(Q[:2], K[:2], V[:2], torch.tensor([0, 2]), scale=1.0, bias=bias)
    assert mixed.flatten().tolist() == pytest.approx([1, (E**3 + 10 * E**2) / (E**3 + E**2)])


def test_a_row_longer_than_the_bias_is_refused() -> None:
    times = torch.zeros(3, dtype=torch.int64)
    bias = AttentionBias(torch.zeros(3, dtype=torch.float64), torch.zeros(129, dtype=torch.float64), times, times)
    with pytest.raises(ValueError, match="row 0 has 3 tokens, more than the 2 positions"):
        softmax_attention(Q, K, V, OFFSETS, scale=1.0, bias=bias)


def drawn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)), dtype=torch.float64)


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 5), max_size=4), window=st.integers(0, 3))
def test_the_weights_of_every_token_sum_to_one(lengths: list[int], window: int) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    tokens = drawn(int(offsets[-1]), 2, 3)
    mixed = softmax_attention(
        tokens, tokens, torch.ones_like(tokens), offsets, scale=3.0, mask=AttentionMask(window=window)
    )
    torch.testing.assert_close(mixed, torch.ones_like(tokens))


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 5), min_size=2, max_size=4))
def test_a_row_does_not_depend_on_the_others(lengths: list[int]) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    tokens = drawn(int(offsets[-1]), 1, 2)
    together = softmax_attention(tokens, tokens, tokens, offsets, scale=1.0)
    for row, length in enumerate(lengths):
        part = tokens[offsets[row] : offsets[row + 1]]
        expected = softmax_attention(part, part, part, torch.tensor([0, length]), scale=1.0)
        torch.testing.assert_close(together[offsets[row] : offsets[row + 1]], expected)


def test_asking_with_the_last_tokens_alone_gives_their_rows() -> None:
    offsets, tokens = torch.tensor([0, 4, 4, 6]), drawn(6, 2, 3)
    whole = softmax_attention(tokens, tokens, tokens, offsets, scale=1.0)
    last = torch.tensor([2, 3, 5])
    part = softmax_attention(tokens[last], tokens, tokens, offsets, scale=1.0, query_offsets=torch.tensor([0, 2, 2, 3]))
    torch.testing.assert_close(part, whole[last])


def test_gradients_agree_with_differences() -> None:
    offsets = torch.tensor([0, 4, 4, 9])
    mask = AttentionMask(targets=torch.tensor([1, 0, 2]), context=2, window=2)
    times = torch.tensor([0, 10_000, 20_000, 99_000, 0, 5_000, 5_000, 9_000, 70_000])
    q, k, v, position, time = (drawn(*shape).requires_grad_() for shape in [(9, 2, 3)] * 3 + [(13,), (129,)])

    def attend(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, position: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        bias = AttentionBias(position, time, times + 1000, times)
        return softmax_attention(q, k, v, offsets, scale=0.5, mask=mask, bias=bias)

    assert torch.autograd.gradcheck(attend, (q, k, v, position, time))


def test_dropout_drops_weights() -> None:
    torch.manual_seed(0)
    ones = torch.ones(64, 1, 1)
    mixed = softmax_attention(ones, ones, ones, torch.tensor([0, 64]), scale=1.0, dropout=0.5)
    assert set(mixed[0].flatten().tolist()) <= {0.0, 2.0}
    assert 0.5 < mixed.mean() < 1.5
    assert mixed.std() > 0
