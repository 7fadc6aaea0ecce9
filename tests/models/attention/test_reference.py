import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.attention.bias import AttentionBias
from models.attention.mask import AttentionMask
from models.attention.reference import hstu_attention
from models.jagged import pad, token_places
from tests.models.gradients import gradient

OFFSETS = torch.tensor([0, 3])
Q = torch.tensor([1.0, 1.0, 1.0], dtype=torch.float64).view(3, 1, 1)
K = torch.tensor([1.0, 2.0, -1.0], dtype=torch.float64).view(3, 1, 1)
V = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64).view(3, 1, 1)


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
    mixed = hstu_attention(Q, K, V, OFFSETS, divisor=4, mask=mask)
    assert mixed.flatten().tolist() == pytest.approx(expected, abs=1e-6)


def test_known_gradients() -> None:
    q, k, v = (tensor.clone().requires_grad_() for tensor in (Q, K, V))
    hstu_attention(q, k, v, OFFSETS, divisor=4).sum().backward()
    assert gradient(q).flatten().tolist() == pytest.approx([0.231918, 5.685839, 3.877602], abs=1e-6)
    assert gradient(k).flatten().tolist() == pytest.approx([0.695753, 5.453921, 1.808237], abs=1e-6)
    assert gradient(v).flatten().tolist() == pytest.approx([0.548294, 0.880797, -0.067235], abs=1e-6)


def test_the_divisor_only_scales() -> None:
    four = hstu_attention(Q, K, V, OFFSETS, divisor=4)
    nine = hstu_attention(Q, K, V, OFFSETS, divisor=9)
    torch.testing.assert_close(four * 4, nine * 9)


def test_gradients_agree_with_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    offsets = torch.tensor([0, 4, 4, 9])
    mask = AttentionMask(targets=torch.tensor([1, 0, 2]), context=2, window=2)
    times = torch.tensor([0, 10_000, 20_000, 99_000, 0, 5_000, 5_000, 9_000, 70_000])
    q, k, v = (torch.randn(9, 2, 3, generator=generator, dtype=torch.float64, requires_grad=True) for _ in range(3))
    weights = [torch.randn(n, generator=generator, dtype=torch.float64, requires_grad=True) for n in (13, 129)]

    def attend(
        q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, position: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        bias = AttentionBias(position, time, times + 1000, times)
        return hstu_attention(q, k, v, offsets, divisor=7, scale=0.5, mask=mask, bias=bias)

    assert torch.autograd.gradcheck(attend, (q, k, v, *weights))


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
    together = hstu_attention(tokens, tokens, tokens, offsets, divisor=6)
    for row, length in enumerate(lengths):
        part = tokens[offsets[row] : offsets[row + 1]]
        expected = hstu_attention(part, part, part, torch.tensor([0, length]), divisor=6)
        torch.testing.assert_close(together[offsets[row] : offsets[row + 1]], expected)


@given(history=st.integers(0, 5), asking=st.integers(0, 4))
def test_asking_with_the_last_tokens_alone_gives_their_rows(history: int, asking: int) -> None:
    offsets = torch.tensor([0, history + asking, 2 * history + asking])
    tokens = torch.linspace(-1, 1, int(offsets[-1]) * 2, dtype=torch.float64).view(-1, 1, 2)
    times = torch.arange(int(offsets[-1])) * 7000
    position, time = torch.linspace(-1, 1, 23, dtype=torch.float64), torch.linspace(-1, 1, 129, dtype=torch.float64)
    mask = AttentionMask(targets=torch.tensor([asking, 0]))
    last = torch.arange(history, history + asking)
    whole = hstu_attention(
        tokens, tokens, tokens, offsets, divisor=12, mask=mask, bias=AttentionBias(position, time, times, times)
    )
    part = hstu_attention(
        tokens[last],
        tokens,
        tokens,
        offsets,
        divisor=12,
        mask=mask,
        bias=AttentionBias(position, time, times[last], times),
        query_offsets=torch.tensor([0, asking, asking]),
    )
    torch.testing.assert_close(part, whole[last])
