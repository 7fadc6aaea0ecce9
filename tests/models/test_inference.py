from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import Artifact
from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.inference import score, similar, user_states
from models.interactions import Interactions
from models.manifest import Manifest
from models.vocabulary import Vocabulary

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def artifact() -> Artifact:
    """Five items, of which the fifth was not in training."""
    torch.manual_seed(0)
    model = build(
        ModelConfig(width=8, max_length=4, backbone=HstuConfig(layers=1, head_dim=4)), 5, torch.arange(1, 5)
    ).eval()
    manifest = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["view"])
    vocabulary = Vocabulary(pl.Series(list("abcde")), np.arange(1, 5), np.zeros(6, np.float32))
    return Artifact.of(manifest, model, vocabulary)


def asked(*users: list[int]) -> tuple[Interactions, np.ndarray]:
    return Interactions.of([(rows, list(range(len(rows)))) for rows in users]), np.full(len(users), 9)


def test_users_without_history_score_zero_everywhere() -> None:
    scores = score(artifact(), *asked([], [1], [0]))
    assert scores[[0, 2], 1:].tolist() == [[0.0] * 5] * 2
    assert scores[1, 1:].all()
    assert scores[:, 0].tolist() == [-torch.inf] * 3


def test_an_item_that_was_not_in_training_is_a_row_like_any_other() -> None:
    assert score(artifact(), *asked([1, 5])).isfinite()[0, 1:].all()


def test_an_item_outside_the_vocabulary_names_the_user() -> None:
    with pytest.raises(ValueError, match=r"interaction 1 of user 1 has item index 6, but only indices 1\.\.5"):
        score(artifact(), *asked([1], [2, 6]))


def test_a_vector_that_is_not_finite_names_the_user_who_reads_it() -> None:
    damaged = artifact()
    damaged.item_vectors[3, 0] = torch.nan
    user_states(damaged, *asked([1], [2]))
    with pytest.raises(ValueError, match=r"the state of user 1 is not finite: .* version v1"):
        user_states(damaged, *asked([1], [2, 3]))


@pytest.mark.parametrize("row", [-1, 0, 6])
def test_only_items_have_neighbours(row: int) -> None:
    with pytest.raises(ValueError, match=rf"item index {row} is not an item: version v1 has indices 1\.\.5"):
        similar(artifact(), row)
