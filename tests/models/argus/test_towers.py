"""The towers read what is alike once in training, and say the same of it."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from models.argus.towers import distinct_rows
from tests.models.argus.worlds import ITEMS, argus, config


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2**31 - 1), st.integers(0, 5)), min_size=1, max_size=20),
    st.booleans(),
)
def test_distinct_rows_are_put_back_where_they_were(rows: list[tuple[int, int, int]], tall: bool) -> None:
    codes = torch.tensor(rows)
    codes = codes.unsqueeze(1) if tall else codes
    once, place = distinct_rows(codes)
    assert place is not None
    assert torch.equal(once[place], codes)
    assert len(once) == len({tuple(row) for row in rows})


def test_what_does_not_fit_into_one_number_stays_as_it_is() -> None:
    codes = torch.full((3, 3), 2**31 - 1)
    once, place = distinct_rows(codes)
    assert place is None
    assert torch.equal(once, codes)


def test_training_and_answering_read_the_same() -> None:
    model = argus(config())
    context, items = torch.randint(0, 4, (30, 3)), torch.randint(0, ITEMS + 1, (5, 6))
    masked = torch.rand(5, 6) < 0.3
    answering = model.context(context), model.items(items, masked)
    model.train()
    for ours, theirs in zip((model.context(context), model.items(items, masked)), answering, strict=True):
        torch.testing.assert_close(ours, theirs)
        ours.sum().backward()
    assert model.embedding.table.grad is not None
