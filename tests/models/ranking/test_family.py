"""The ranker as a family: trained, kept and loaded as every other."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import ArtifactError, load_artifact, save_artifact
from models.columns import ACTIONS, STARTED
from models.config.losses import ActionLossConfig
from models.config.model import InputEncodingConfig, ItemTowerConfig, StuConfig
from models.config.training import TrainingConfig
from models.families.registry import build, family_of
from models.golden import Golden, GoldenError, check_golden
from models.interactions import Interactions
from models.manifest import GOLDEN, Manifest, list_versions
from models.ranking.config import RankerConfig
from models.ranking.examples import RankingExamples
from models.ranking.predictions import predict
from models.training.loop import EpochReport, fit
from models.vocabulary import Vocabulary

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MINUTE = 60_000
CONFIG = RankerConfig(
    width=16,
    max_length=8,
    actions=("click", "like"),
    action_dim=4,
    hidden=16,
    head_hidden=16,
    input_dropout=0.0,
    encoding=InputEncodingConfig(position_rows=32, time_buckets=32),
    backbone=StuConfig(layers=1, heads=1, head_dim=16, dropout=0.0),
    items=ItemTowerConfig(content_dim=3),
)
MANIFEST = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["click"])


def shown_to(users: int, seed: int = 0) -> Interactions:
    """Users who click on even items and like every fourth, and were shown an item every hour."""
    draw = np.random.default_rng(seed)
    times = 1_700_000_000_000 + 60 * MINUTE * np.arange(12)
    walks = [(draw.integers(1, 21, 12), times) for _ in range(users)]
    shown = Interactions.of(walks)
    masks = (shown.item_index % 2 == 0) * 1 + (shown.item_index % 4 == 0) * 2 + 4
    return shown.with_columns({ACTIONS: masks.astype(np.int64), STARTED: shown.timestamps})


@pytest.fixture(scope="module")
def trained() -> tuple[torch.nn.Module, list[EpochReport]]:
    torch.manual_seed(0)
    reports: list[EpochReport] = []
    training = TrainingConfig(
        epochs=3, batch_size=16, learning_rate=1e-2, actions=ActionLossConfig(weight=1.0, weights={"like": 0.5})
    )
    model = build(CONFIG, 23, torch.arange(1, 21), torch.randn(24, 3))
    fit(model, shown_to(40), training, on_epoch=lambda report, *_: reports.append(report))
    return model, reports


def test_its_first_answers_are_the_base_rates() -> None:
    torch.manual_seed(0)
    shown = shown_to(40)
    # A rare action: one in fifty, which steps of a thousandth would take long to find.
    rare = (np.arange(len(shown.item_index)) % 50 == 0).astype(np.int64)
    shown = shown.with_columns({ACTIONS: (shown.column(ACTIONS) & ~1) | rare})
    first: list[float] = []
    training = TrainingConfig(epochs=1, batch_size=16, learning_rate=1e-9, actions=ActionLossConfig(weight=1.0))
    model = build(CONFIG, 23, torch.arange(1, 21), torch.randn(24, 3))
    fit(model, shown, training, on_epoch=lambda report, *_: first.append(report.losses["click"]))
    examples = RankingExamples(shown, CONFIG)
    rates = examples.base_rates()
    assert rates.tolist() == pytest.approx(examples.taken().mean(axis=0).tolist(), abs=2e-3)
    rate = float(rates[0])
    assert first[0] == pytest.approx(-rate * np.log(rate) - (1 - rate) * np.log1p(-rate), rel=0.05)
    said = torch.from_numpy(predict(model, examples).logits).sigmoid().mean(0)
    assert said.tolist() == pytest.approx(rates.tolist(), rel=0.1)
    # A model that was trained before goes on from what it has learned.
    weights = model.head.logits[-1].weight.clone()
    family_of(CONFIG).begin(model, examples)
    assert torch.equal(model.head.logits[-1].weight, weights)


def test_each_action_is_a_loss_of_its_own_and_the_sum_is_weighted(
    trained: tuple[torch.nn.Module, list[EpochReport]],
) -> None:
    _, reports = trained
    for report in reports:
        assert list(report.losses) == ["click", "like"]
        assert report.loss == pytest.approx(report.losses["click"] + 0.5 * report.losses["like"])
    assert reports[-1].losses["click"] < reports[0].losses["click"] / 2


def test_its_learning_curve_is_the_normalised_entropy_of_held_out_users(
    trained: tuple[torch.nn.Module, list[EpochReport]],
) -> None:
    class HeldOut:
        validation = shown_to(10, seed=1)

    model, _ = trained
    assert 0 < family_of(CONFIG).validate(model, HeldOut)["ne"] < 0.5


def test_a_version_answers_as_the_model_it_was_made_from(
    trained: tuple[torch.nn.Module, list[EpochReport]], tmp_path: Path
) -> None:
    model, _ = trained
    vocabulary = Vocabulary(pl.Series(range(1, 24)), np.arange(1, 21), np.zeros(24, np.float32))
    folder = save_artifact(tmp_path, MANIFEST, model, vocabulary)
    assert folder == tmp_path / "hstu_dlrm_v3" / "v1"
    assert list_versions(tmp_path / "hstu_dlrm_v3") == ["v1"]
    artifact = load_artifact(folder)
    check_golden(artifact, Golden.read(folder / GOLDEN))
    examples = RankingExamples(shown_to(5, seed=2), CONFIG)
    np.testing.assert_allclose(predict(artifact.model, examples).logits, predict(model, examples).logits, atol=1e-5)

    asked, now = shown_to(2, seed=3), np.full(2, 1_800_000_000_000)
    asked = asked.with_columns({ACTIONS: asked.column(ACTIONS) & 0b11})
    scores = artifact.family.score(artifact, asked, now)
    assert scores.shape == (2, 24)
    assert torch.isinf(scores[:, 0]).all()
    # Items 21 to 23 were not in training, and differ by their content alone.
    assert scores[0, 21:].std() > 0
    with pytest.raises(ArtifactError, match="has no retrieval_vectors, for its family hstu_dlrm_v3 makes none"):
        _ = artifact.retrieval_vectors
    with torch.no_grad():
        artifact.model.head.logits[0].weight.mul_(2)
    with pytest.raises(GoldenError, match="does not answer as it did"):
        check_golden(artifact, Golden.read(folder / GOLDEN))
