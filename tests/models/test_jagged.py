import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.jagged import last_tokens


@settings(deadline=None)
@given(lengths=st.lists(st.integers(0, 4), max_size=5))
def test_the_last_token_of_every_row(lengths: list[int]) -> None:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    tokens = torch.arange(1, int(offsets[-1]) + 1)
    expected = [int(end) if length else 0 for end, length in zip(offsets[1:], lengths, strict=True)]
    assert last_tokens(tokens, offsets).tolist() == expected
