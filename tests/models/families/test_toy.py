"""A family of one's own: all that it takes is this class and a line in the registry."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from assets.training.ray_train import TrainingJob
from models.artifact import load_artifact, save_artifact
from models.config.model import RecommenderConfig
from models.config.training import TrainingConfig
from models.encoder.stack import AttentionLayer, Layout
from models.evaluation.model_scorer import ModelScorer
from models.families.registry import FAMILIES, build
from models.families.retrieval import RetrievalFamily
from models.golden import Golden, check_golden
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest
from models.training.loop import fit
from models.vocabulary import Vocabulary
from tests.models.evaluation.worlds import make_cases

NOW = datetime(2026, 1, 2, tzinfo=UTC)


class ToyConfig(RecommenderConfig):
    """A recommender whose layers look at one item alone."""

    family: Literal["toy"] = "toy"
    depth: int = 1


class ToyLayer(AttentionLayer):
    """x + tanh(W x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = nn.Linear(width, width)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        one_head = x.unsqueeze(1)
        return x[:, :0], one_head, one_head, one_head

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
        return q

    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        return x + torch.tanh(self.mix(mixed.flatten(1)))


class Toy(RetrievalFamily):
    """The family `toy`."""

    name = "toy"
    config = ToyConfig

    def layers(self, config: ToyConfig) -> Iterable[AttentionLayer]:
        return (ToyLayer(config.width) for _ in range(config.depth))


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILIES, "toy", Toy())


def test_it_is_trained_kept_loaded_and_evaluated_as_every_other(tmp_path: Path) -> None:
    walks = [
        ([(start + step) % 12 + 1 for step in range(6)], [1000 * step for step in range(6)]) for start in range(12)
    ]
    torch.manual_seed(0)
    reported: list[dict[str, float]] = []
    model = fit(
        build(ToyConfig(width=16, max_length=8), 12),
        Interactions.of(walks * 8),
        TrainingConfig(epochs=25, batch_size=16, learning_rate=1e-2),
        on_epoch=lambda report, *_: reported.append(report.losses),
    )
    assert reported[-1]["next_item"] < reported[0]["next_item"] / 2
    manifest = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["click"])
    vocabulary = Vocabulary(pl.Series(list("abcdefghijkl")), np.arange(1, 13), np.zeros(13, np.float32))
    folder = save_artifact(tmp_path, manifest, model, vocabulary)
    assert folder == tmp_path / "toy" / "v1"
    artifact = load_artifact(folder)
    check_golden(artifact, Golden.read(folder / GOLDEN))
    cases = make_cases([([1, 2, 3], [4]), ([7, 8], [9])])
    assert ModelScorer("toy", artifact, vocabulary).score(cases).argmax(1).tolist() == [4, 9]


def test_a_training_job_of_it_reaches_every_worker(tmp_path: Path) -> None:
    job = TrainingJob("set", str(tmp_path), ToyConfig(width=16, depth=3), TrainingConfig(), workers=2)
    assert TrainingJob.read(job.as_json()) == job
