"""A number that is none spoils the row it stands in: not one bit of another row, and nothing passes it over."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from models.attention import AttentionBias, AttentionMask, blocked, hstu_attention, use_backend
from models.attention.dispatch import Backend
from models.attention.softmax import softmax_attention

OFFSETS = torch.tensor([0, 3, 3, 8, 10])
SPOILT = slice(3, 8)
MASKS = [AttentionMask(), AttentionMask(window=2), AttentionMask(targets=torch.tensor([1, 0, 2, 0]), context=1)]
Attention = Callable[..., Tensor]


def by(backend: Backend) -> Attention:
    def attend(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
        with use_backend(backend):
            return hstu_attention(q, k, v, OFFSETS, divisor=9, **options)

    return attend


ATTENTIONS: dict[str, Attention] = {
    "reference": by("reference"),
    "cpu": by("cpu"),
    "blocked": lambda q, k, v, **options: blocked.hstu_attention(q, k, v, OFFSETS, divisor=9, **options),
    "softmax": lambda q, k, v, **options: softmax_attention(q, k, v, OFFSETS, scale=0.5, **options),
}


@pytest.mark.parametrize("attention", ATTENTIONS)
@pytest.mark.parametrize("mask", MASKS)
@pytest.mark.parametrize("spoilt", [0, 1, 2], ids=["queries", "keys", "values"])
@pytest.mark.parametrize("number", [torch.nan, torch.inf])
def test_it_stays_in_its_row(attention: str, mask: AttentionMask, spoilt: int, number: float) -> None:
    attend = ATTENTIONS[attention]
    generator = torch.Generator().manual_seed(0)
    tokens = [torch.randn(10, 2, 4, generator=generator) for _ in range(3)]
    times = torch.arange(10) * 60_000
    position, time = (torch.randn(size, generator=generator) for size in (17, 129))
    options = {"mask": mask, "bias": AttentionBias(position, time, times + 1000, times)}
    clean = attend(*tokens, **options)
    tokens[spoilt][4, 1, 2] = number
    mixed = attend(*tokens, **options)
    assert torch.equal(mixed[:3], clean[:3])
    assert torch.equal(mixed[8:], clean[8:])
    assert torch.equal(mixed[SPOILT, 0], clean[SPOILT, 0])
    assert not mixed[SPOILT, 1].isfinite().all()
