import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.samplers.count_min import CountMinSketch


@settings(max_examples=30, deadline=None)
@given(counts=st.lists(st.integers(0, 30), min_size=1, max_size=40), seed=st.integers(0, 99))
def test_no_share_is_too_low_and_in_many_columns_none_is_too_high(counts: list[int], seed: int) -> None:
    keys = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    keys = keys[torch.randperm(len(keys), generator=torch.Generator().manual_seed(seed))]
    if not len(keys):
        return
    true = torch.tensor(counts) / len(keys)
    for columns, slack in ((8, 1.0), (1 << 16, 1e-6)):
        sketch = CountMinSketch(4, columns, half_life=1e9)
        for part in keys.split(7):
            sketch.add(part)
        share = sketch.share(torch.arange(len(counts)))
        assert (share >= true - 1e-5).all()
        assert (share <= true + slack).all()


def test_what_is_long_ago_counts_less() -> None:
    sketch = CountMinSketch(4, 1 << 12, half_life=1.0)
    for key in (5, 5, 9):
        sketch.add(torch.tensor([key]))
    # 5 was counted 1/4 + 1/2, and 9 once.
    torch.testing.assert_close(sketch.share(torch.tensor([5, 9, 7])), torch.tensor([0.75, 1.0, 0.0]) / 1.75)


def test_nothing_is_known_of_an_empty_one() -> None:
    assert CountMinSketch(2, 4, 10.0).share(torch.tensor([1, 2])).tolist() == [0, 0]
