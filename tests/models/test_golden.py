from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

from models.artifact import Artifact, load_artifact, save_artifact
from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.golden import Golden, GoldenError, check_golden, golden_requests
from models.manifest import GOLDEN, Manifest
from models.recommender import Recommender
from models.vocabulary import Vocabulary

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def saved(folder: Path, items: int = 30, spoil: Callable[[Recommender], object] = lambda model: None) -> Path:
    torch.manual_seed(0)
    model = build(ModelConfig(width=8, max_length=6, backbone=HstuConfig(layers=1, head_dim=4)), items)
    torch.nn.init.normal_(model.items.ids.weight)
    with torch.no_grad():
        spoil(model)
    manifest = Manifest(version="v1", created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["click"])
    ids = pl.Series(range(1, items + 1), dtype=pl.Int64)
    vocabulary = Vocabulary(ids, np.arange(1, items + 1), np.zeros(items + 1, np.float32))
    return save_artifact(folder, manifest, model, vocabulary)


def check(folder: Path) -> None:
    check_golden(load_artifact(folder), Golden.read(folder / GOLDEN))


@pytest.mark.parametrize("items", [1, 2, 3, 30])
def test_a_version_answers_as_when_it_was_made(tmp_path: Path, items: int) -> None:
    check(saved(tmp_path, items))


def test_the_answers_are_those_of_the_live_model_for_requests_of_every_length(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    artifact, golden = load_artifact(folder), Golden.read(folder / GOLDEN)
    assert set(golden.histories.lengths.tolist()) == set(range(1, 7))
    again = golden_requests(artifact)
    assert torch.equal(golden.items, again.items)
    torch.testing.assert_close(golden.scores, again.scores)
    assert (golden.scores.diff(dim=1) <= 0).all()


def test_another_kernel_is_within_the_tolerance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = saved(tmp_path)
    monkeypatch.setattr("models.native.compiles", lambda source: False)
    check(folder)


DAMAGE: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "shuffled": (lambda vectors: torch.cat([vectors[:1], vectors[1:].roll(1, 0)]), "does not answer as it did"),
    "all zero": (lambda vectors: vectors * 0, "gives every item the same score"),
    "all alike": (lambda vectors: vectors[1:2].expand_as(vectors), "gives every item the same score"),
    "another model": (lambda vectors: torch.randn(vectors.shape), "does not answer as it did"),
    "nan": (lambda vectors: vectors * torch.nan, "not finite"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGE.values(), ids=DAMAGE)
def test_damaged_item_vectors_are_refused(tmp_path: Path, damage: Callable[[Tensor], Tensor], message: str) -> None:
    folder = saved(tmp_path)
    artifact = load_artifact(folder)
    damaged = replace(artifact, vectors={name: damage(vectors) for name, vectors in artifact.vectors.items()})
    with pytest.raises(GoldenError, match=message):
        check_golden(damaged, Golden.read(folder / GOLDEN))


@pytest.mark.parametrize("name", ["item_vectors", "retrieval_vectors"])
def test_one_kind_of_vectors_of_another_model_is_refused(tmp_path: Path, name: str) -> None:
    folder = saved(tmp_path)
    artifact = load_artifact(folder)
    other = torch.nn.functional.normalize(torch.randn(artifact.vectors[name].shape), dim=-1)
    with pytest.raises(GoldenError, match="does not answer as it did"):
        check_golden(replace(artifact, vectors={**artifact.vectors, name: other}), Golden.read(folder / GOLDEN))


@pytest.mark.parametrize("factor", [0.0, -1.0, 3.0, 1e30, float("nan")])
def test_damaged_weights_are_refused(tmp_path: Path, factor: float) -> None:
    folder = saved(tmp_path)
    artifact = load_artifact(folder)
    with torch.no_grad():
        for weight in artifact.model.encoder.parameters():
            weight.mul_(factor)
    with pytest.raises(GoldenError):
        check_golden(artifact, Golden.read(folder / GOLDEN))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda model: model.items.ids.weight.zero_(), "gives every item the same score"),
        (lambda model: model.items.ids.weight.fill_(1), "gives every item the same score"),
        (lambda model: model.encoder.apply(lambda part: [p.fill_(torch.nan) for p in part.parameters()]), "not finite"),
    ],
)
def test_a_model_that_was_made_broken_is_refused_too(
    tmp_path: Path, spoil: Callable[[Recommender], object], message: str
) -> None:
    with pytest.raises(GoldenError, match=message):
        check(saved(tmp_path, spoil=spoil))


def test_every_history_alike_is_refused(tmp_path: Path) -> None:
    artifact = load_artifact(saved(tmp_path))

    class Deaf(torch.nn.Module):
        def forward(self, vectors: Tensor, _: object) -> Tensor:
            return torch.ones_like(vectors) / vectors.shape[1] ** 0.5

    artifact.model.encoder = Deaf()
    deaf = Artifact(artifact.manifest, artifact.model, artifact.vocabulary, artifact.vectors)
    with pytest.raises(GoldenError, match="gives every history the same answer"):
        check_golden(deaf, golden_requests(deaf))


def test_a_version_without_golden_requests_is_not_complete(tmp_path: Path) -> None:
    folder = saved(tmp_path)
    (folder / GOLDEN).unlink()
    with pytest.raises(ValueError, match=r"golden\.safetensors is missing: train it again"):
        load_artifact(folder)
