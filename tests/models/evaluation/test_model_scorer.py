from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import Artifact, load_artifact, save_artifact
from models.config.model import ModelConfig
from models.evaluation.model_scorer import ModelScorer
from models.families.registry import build
from models.inference import score
from models.interactions import Interactions
from models.manifest import Manifest
from models.vocabulary import Vocabulary
from tests.models.evaluation.worlds import make_cases


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    torch.manual_seed(0)
    vocabulary = Vocabulary(pl.Series([10, 20, 30, 40]), trained=np.arange(1, 5), popularity=np.ones(5, np.float32))
    manifest = Manifest(
        version="first",
        created=datetime(2026, 1, 2, tzinfo=UTC),
        cutoff=datetime(2026, 1, 1, tzinfo=UTC),
        data_end=datetime(2026, 1, 2, tzinfo=UTC),
        positive_actions=["click"],
    )
    model = build(ModelConfig(width=8, max_length=4), items=4)
    return load_artifact(save_artifact(tmp_path, manifest, model, vocabulary))


def test_on_its_own_vocabulary_a_version_scores_as_the_endpoint_does(artifact: Artifact) -> None:
    cases = make_cases([([1, 2], [3]), ([4], [1])])
    scores = ModelScorer("hstu", artifact, artifact.vocabulary).score(cases)
    expected = score(artifact, cases.histories, cases.request_times).numpy()
    assert np.array_equal(scores, expected)
    assert np.isfinite(scores[:, 1:]).all()


def test_on_another_vocabulary_items_are_matched_by_id_and_unknown_ones_never_recommended(artifact: Artifact) -> None:
    newer = Vocabulary(pl.Series([99, 40, 10, 20]), trained=np.arange(1, 5), popularity=np.ones(5, np.float32))
    # Items 10 and 20 at times 0 and 2, with the unknown item 99 between them.
    other = ModelScorer("champion", artifact, newer).score(make_cases([([3, 1, 4], [2])]))
    assert other[0, 1] == -np.inf
    assert other[0, 0] == -np.inf
    assert other.shape == (1, 5)
    without_the_unknown = Interactions.of([([1, 2], [0, 2])])
    expected = score(artifact, without_the_unknown, np.array([1_000])).numpy()
    assert np.allclose(other[0, [2, 3, 4]], expected[0, [4, 1, 2]])
