from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.schema import TIME
from assets.training.dataset import Dataset, make_dataset, read_dataset, write_dataset

CUTOFF = datetime(2026, 1, 10, tzinfo=UTC)
COLD = timedelta(days=5)


def training(users: dict[str, list[tuple[str, float]]]) -> pl.DataFrame:
    """user -> [(item, days before the cutoff)]"""
    return pl.DataFrame(
        {
            "user_id": list(users),
            "item_ids": [[item for item, _ in history] for history in users.values()],
            "timestamps": [[CUTOFF - timedelta(days=days) for _, days in history] for history in users.values()],
        },
        schema={"user_id": pl.String, "item_ids": pl.List(pl.String), "timestamps": pl.List(TIME)},
    )


HISTORIES = {"u": [("a", 7), ("b", 3), ("a", 0)], "v": [("b", 14)]}
CATALOGUE = pl.DataFrame({"item_id": ["a", "new", "b", "older"]})
CONTENT = pl.DataFrame({"item_id": ["new", "a", "gone"], "vector": [[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]})


def dataset_of(users: pl.DataFrame, content: pl.DataFrame | None, validation_users: int = 0) -> Dataset:
    return make_dataset(
        users,
        CATALOGUE,
        content,
        cutoff=CUTOFF,
        half_life_days=7,
        cold_start=COLD,
        validation_users=validation_users,
        seed=0,
    )


def test_items_seen_in_training_come_first_with_their_decayed_popularity() -> None:
    dataset = dataset_of(training(HISTORIES), None)
    assert dataset.vocabulary.item_ids.to_list() == ["a", "b", "new", "older"]
    assert dataset.vocabulary.trained == 2
    assert dataset.vocabulary.popularity.tolist() == pytest.approx([0, 1.5, 0.25 + 2 ** (-3 / 7), 0, 0])
    assert dataset.histories.rows.tolist() == [1, 2, 1, 2]
    assert dataset.content.shape == (5, 0)


def test_validation_interactions_are_not_trained_on(tmp_path: Path) -> None:
    made = dataset_of(training(HISTORIES), CONTENT, validation_users=5)
    dataset = read_dataset(write_dataset(made, tmp_path / "set"))
    assert dataset.histories.rows.tolist() == [1, 2, 2]
    assert dataset.histories.offsets.tolist() == [0, 2, 3]
    assert dataset.validation.rows.tolist() == [1, 2]
    assert dataset.validation_targets.tolist() == [1]
    assert dataset.validation_times.tolist() == [int(CUTOFF.timestamp() * 1000)]


def test_the_order_of_users_does_not_matter() -> None:
    forth, back = (
        dataset_of(users, None, validation_users=1)
        for users in (training(HISTORIES), training(dict(reversed(HISTORIES.items()))))
    )
    assert forth.histories.rows.tolist() == back.histories.rows.tolist()
    assert forth.validation_targets.tolist() == back.validation_targets.tolist()


def test_content_lands_on_its_items_row() -> None:
    dataset = dataset_of(training(HISTORIES), CONTENT)
    expected = np.array([[0, 0], [3, 4], [0, 0], [1, 2], [0, 0]], np.float32)
    assert np.array_equal(dataset.content, expected)


def test_interactions_soon_after_their_items_first_one_are_hidden() -> None:
    dataset = dataset_of(training(HISTORIES), CONTENT)
    # a: 7 and 0 days before the cutoff, b: 14 and 3 days before
    assert dataset.histories.rows.tolist() == [1, 2, 1, 2]
    assert dataset.histories.hidden is not None
    assert dataset.histories.hidden.tolist() == [True, False, False, True]


def test_nothing_before_the_cutoff_is_said() -> None:
    with pytest.raises(ValueError, match="no positive interaction before 2026-01-10"):
        dataset_of(training({}), None)
