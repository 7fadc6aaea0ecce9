import numpy as np
import pytest

from assets.content.recall import binomial_tail, image_to_text_recall


def test_recall_counts_images_whose_own_text_is_first() -> None:
    texts = np.eye(4, dtype=np.float32)
    images = texts[[0, 1, 3, 2]]
    recall = image_to_text_recall(images, texts)
    assert (recall.at_1, recall.at_10, recall.candidates) == (0.5, 1.0, 4)
    assert (recall.chance_at_1, recall.chance_at_10) == (0.25, 1.0)


def test_ranks_beyond_ten_do_not_count() -> None:
    texts = np.linspace(1, 2, 12, dtype=np.float32)[:, None]
    images = np.ones((12, 1), np.float32)
    recall = image_to_text_recall(images, texts)
    assert recall.at_1 == pytest.approx(1 / 12)
    assert recall.at_10 == pytest.approx(10 / 12)


@pytest.mark.parametrize("value", [0.0, 1.0, np.nan])
def test_a_collapsed_tower_finds_nothing(value: float) -> None:
    same = np.full((20, 3), value, np.float32)
    recall = image_to_text_recall(same, same)
    assert (recall.at_1, recall.at_10) == (0, 0)


def test_binomial_tail() -> None:
    assert binomial_tail(0, 5, 0.5) == 1
    assert binomial_tail(2, 2, 0.25) == pytest.approx(0.0625)
    assert binomial_tail(1, 3, 0.5) == pytest.approx(0.875)
    assert binomial_tail(1, 1, 1.0) == 1


@pytest.mark.parametrize("hits", [200, 5_000])
def test_binomial_tail_of_large_samples_neither_overflows_nor_goes_below_zero(hits: int) -> None:
    assert 0 <= binomial_tail(hits, 5_000, 1 / 5_000) < 1e-100


def test_nothing_to_score_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"\(image, text\)"):
        image_to_text_recall(np.empty((0, 2), np.float32), np.empty((0, 2), np.float32))
