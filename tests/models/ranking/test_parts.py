import math

import pytest
import torch
import torch.nn.functional as F

from models.heads.calendar import DAY_MS, HOUR_MS, CalendarNorm, phases
from models.mlp import SwishNorm, mlp, normed_mlp
from models.ranking.actions import ActionEncoder


def test_each_action_has_its_own_place() -> None:
    encoder = ActionEncoder(3, 2)
    with torch.no_grad():
        encoder.taken.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]))
        encoder.unknown.copy_(torch.full((6,), 9.0))
    vectors = encoder(torch.tensor([0b000, 0b101, 0b010, 0b111]), torch.tensor([False, False, False, True]))
    assert vectors.tolist() == [[0] * 6, [1, 2, 0, 0, 5, 6], [0, 0, 3, 4, 0, 0], [9] * 6]


def test_hours_and_weekdays_as_published() -> None:
    sixth_hour_of_the_second_day = DAY_MS + 6 * HOUR_MS + 59 * 60_000
    quarter, seventh = 2 * 3.14 / 4, 2 * 3.14 / 7
    assert phases(torch.tensor([0, sixth_hour_of_the_second_day, 7 * DAY_MS])).tolist() == [
        [1, 0, 1, 0],
        pytest.approx([math.cos(quarter), math.sin(quarter), math.cos(seventh), math.sin(seventh)], abs=1e-6),
        [1, 0, 1, 0],
    ]


def test_the_calendar_is_joined_to_the_state() -> None:
    calendar, state, noon = CalendarNorm(4), torch.tensor([[1.0, 2.0, 3.0, 4.0]]), torch.tensor([12 * HOUR_MS])
    joined = torch.cat([state, torch.tensor([[math.cos(3.14), math.sin(3.14), 1, 0]])], dim=1)
    torch.testing.assert_close(calendar(state, noon), F.layer_norm(calendar.combine(joined), (4,)))
    assert not torch.allclose(calendar(state, noon), calendar(state, noon + HOUR_MS))


def test_swish_norm_gates_by_the_normed_value() -> None:
    x = torch.tensor([[1.0, 3.0]])
    normed = 1 / math.sqrt(1 + 1e-5)
    expected = [1 / (1 + math.exp(normed)), 3 / (1 + math.exp(-normed))]
    assert SwishNorm(2)(x)[0].tolist() == pytest.approx(expected)


def test_sizes_of_the_mlps() -> None:
    assert sum(p.numel() for p in mlp(6, 10, 4).parameters()) == 6 * 10 + 10 + 2 * 10 + 10 * 4 + 4
    assert sum(p.numel() for p in normed_mlp(6, 10, 4).parameters()) == 134 + 2 * 4
