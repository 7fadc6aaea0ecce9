import pytest
import torch

from models.attention.mask import AttentionMask, dense_mask, relative_positions


def rows(mask: AttentionMask, *lengths: int) -> list[str]:
    offsets = torch.tensor([0, *lengths]).cumsum(0)
    return ["".join(str(int(cell)) for cell in row) for row in dense_mask(offsets, mask)[0]]


@pytest.mark.parametrize(
    ("mask", "expected"),
    [
        (AttentionMask(targets=torch.tensor([3])), "100000 110000 111000 111100 111010 111001"),
        (AttentionMask(targets=torch.tensor([2]), context=2), "111100 111100 111000 111100 111110 111101"),
        (AttentionMask(targets=torch.tensor([2]), window=2), "100000 110000 111000 011100 001110 001101"),
        (AttentionMask(), "100000 110000 111000 111100 111110 111111"),
        (AttentionMask(window=1, full_tail=2), "100000 110000 011000 001100 111110 111111"),
    ],
)
def test_published_matrices(mask: AttentionMask, expected: str) -> None:
    assert rows(mask, 6) == expected.split()


def test_candidates_stand_where_the_next_interaction_would() -> None:
    mask = AttentionMask(targets=torch.tensor([3, 0]))
    assert relative_positions(torch.tensor([0, 6, 8]), mask).tolist() == [[0, 1, 2, 3, 3, 3], [0, 1, 2, 2, 2, 2]]


def test_padding_sees_nothing_and_is_not_seen() -> None:
    shown = dense_mask(torch.tensor([0, 4, 4, 6]), AttentionMask())
    assert shown.sum(dim=(1, 2)).tolist() == [10, 0, 3]


def test_a_row_too_short_for_its_context_and_candidates_is_named() -> None:
    with pytest.raises(ValueError, match="row 1 has 3 tokens, which do not hold 2 of context and 2 candidates"):
        dense_mask(torch.tensor([0, 6, 9]), AttentionMask(targets=torch.tensor([2, 2]), context=2))


def test_a_full_tail_without_window_is_refused() -> None:
    with pytest.raises(ValueError, match=r"full_tail .* window"):
        AttentionMask(full_tail=3)
