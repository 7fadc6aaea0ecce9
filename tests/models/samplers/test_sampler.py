import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.samplers.distinct import distinct
from models.samplers.sampler import All, InBatch, Sampler, Uniform


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_uniform_draws_every_item_and_nothing_else() -> None:
    drawn = Uniform().draw(torch.tensor([1]), 5, (40, 50), generator()).places
    assert drawn.shape == (40, 50)
    counts = torch.bincount(drawn.flatten(), minlength=7)
    # 2,000 draws from five items: 400 each, within five standard deviations of sqrt(2000 * 0.2 * 0.8) = 17.9.
    assert counts[[0, 6]].tolist() == [0, 0]
    assert ((counts[1:6] - 400).abs() < 90).all()


def test_in_batch_draws_each_item_of_the_batch_alike_however_often_it_occurs() -> None:
    drawn = InBatch().draw(torch.tensor([7, 2, 2, 2, 2, 9, 2, 9, 2, 2]), 9, (3000,), generator()).places
    counts = torch.bincount(drawn, minlength=10)
    # 1,000 each, within five standard deviations of sqrt(3000 * 1/3 * 2/3) = 25.8.
    assert counts.nonzero().flatten().tolist() == [2, 7, 9]
    assert ((counts[[2, 7, 9]] - 1000).abs() < 130).all()


@pytest.mark.parametrize("shape", [(3,), (4, 2)])
def test_all_is_every_item_once_and_needs_no_correction(shape: tuple[int, ...]) -> None:
    draw = All().draw(torch.tensor([1]), 5, shape, generator())
    assert draw.places.tolist() == [1, 2, 3, 4, 5]
    assert not draw.correction(draw.places).any()


def test_distinct_names_each_value_once_and_finds_it_again() -> None:
    values, places = distinct(torch.tensor([[4, 1], [4, 0]]), 6)
    assert values.tolist() == [0, 1, 4]
    assert places.tolist() == [0, 1, -1, -1, 2, -1]


@given(values=st.lists(st.integers(0, 9)))
def test_distinct_agrees_with_sorting(values: list[int]) -> None:
    given = torch.tensor(values, dtype=torch.int64)
    expected, inverse = given.unique(return_inverse=True)
    different, places = distinct(given, 10)
    assert torch.equal(different, expected)
    assert torch.equal(places[given], inverse)


@pytest.mark.parametrize(("sampler", "items"), [(Uniform(), 8), (InBatch(), 3)])
@pytest.mark.parametrize("shape", [(4000,), (7, 4000)])
def test_the_correction_is_the_logarithm_of_how_often_each_is_expected(
    sampler: Sampler, items: int, shape: tuple[int, ...]
) -> None:
    draw = sampler.draw(torch.tensor([7, 2, 2, 9]), 8 if items == 8 else 9, shape, generator())
    drawn, _ = distinct(draw.places, 10)
    expected = 4000 / items
    assert draw.correction(drawn).tolist() == pytest.approx([math.log(expected)] * items)
    counts = torch.bincount(draw.places.reshape(-1, 4000)[0], minlength=10)[drawn]
    # Within six standard deviations, of which the square is below the expectation.
    assert ((counts - expected).abs() < 6 * expected**0.5).all()
