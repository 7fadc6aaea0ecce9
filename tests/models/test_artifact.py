import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.artifact import ArtifactError, load_artifact, save_artifact
from models.batch import request_batch
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig, SasrecConfig
from models.families.registry import build
from models.inference import score, similar
from models.interactions import Interactions
from models.manifest import Manifest, list_versions, new_version
from models.recommender import Recommender
from models.vocabulary import Vocabulary

CONFIG = ModelConfig(
    width=8, max_length=4, backbone=HstuConfig(layers=1, head_dim=4), items=ItemTowerConfig(content_dim=3)
)
NOW = datetime(2026, 1, 2, tzinfo=UTC)


def manifest(version: str = "v1") -> Manifest:
    return Manifest(version=version, created=NOW, cutoff=NOW, data_end=NOW, positive_actions=["click"])


def model() -> Recommender:
    torch.manual_seed(0)
    return build(CONFIG, 7, torch.arange(1, 6), torch.randn(8, 3)).eval()


def vocabulary() -> Vocabulary:
    return Vocabulary(pl.Series([f"item {row}" for row in range(1, 8)]), np.arange(1, 6), np.zeros(8, np.float32))


def test_a_version_scores_as_the_model_it_was_made_from(tmp_path: Path) -> None:
    trained = model()
    artifact = load_artifact(save_artifact(tmp_path, manifest(), trained, vocabulary()))
    users = Interactions.of([([1, 7, 3], [0, 1000, 2000]), ([0], [0]), ([], [])])
    scores = score(artifact, users, np.array([5000, 5000, 5000]))
    assert scores.shape == (3, 8)
    assert torch.isinf(scores[:, 0]).all()
    assert (scores[1:, 1:] == 0).all()

    state = trained.queries(request_batch(users, np.array([5000] * 3), 4))[0]
    expected = torch.nn.functional.normalize(trained.items.table(torch.arange(8)), dim=-1) @ state
    torch.testing.assert_close(scores[0, 1:], expected.detach()[1:])


def test_similar_items_leave_out_the_item_itself(tmp_path: Path) -> None:
    artifact = load_artifact(save_artifact(tmp_path, manifest(), model(), vocabulary()))
    assert torch.isinf(similar(artifact, 3)[[0, 3]]).all()
    assert torch.isfinite(similar(artifact, 3)).sum() == 6


def test_a_manifest_from_when_actions_were_kept_as_bits_is_read_by_their_names(tmp_path: Path) -> None:
    folder = save_artifact(tmp_path, manifest(), model(), vocabulary())
    old = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(old | {"positive_bits": 4}))
    assert load_artifact(folder).manifest.positive_actions == ["click"]


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", "null"])
def test_a_version_whose_manifest_cannot_be_read_is_none(tmp_path: Path, damage: str) -> None:
    for name in ("v1", "v2"):
        save_artifact(tmp_path, manifest(name), model(), vocabulary())
    (tmp_path / "hstu" / "v1" / "manifest.json").write_text(damage)
    assert list_versions(tmp_path / "hstu") == ["v2"]


def test_versions_are_never_overwritten(tmp_path: Path) -> None:
    save_artifact(tmp_path, manifest(), model(), vocabulary())
    with pytest.raises(ArtifactError, match="v1 exists already"):
        save_artifact(tmp_path, manifest(), model(), vocabulary())


def test_an_incomplete_version_is_neither_listed_nor_loaded(tmp_path: Path) -> None:
    folder = save_artifact(tmp_path, manifest(), model(), vocabulary())
    (tmp_path / "hstu" / ".v2.partial").mkdir()
    assert list_versions(tmp_path / "hstu") == ["v1"]
    (folder / "item_vectors.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"item_vectors\.safetensors is missing"):
        load_artifact(folder)


def test_item_vectors_that_do_not_fit_or_are_not_finite_are_refused(tmp_path: Path) -> None:
    file = save_artifact(tmp_path, manifest(), model(), vocabulary()) / "item_vectors.safetensors"
    vectors = load_file(file)["item_vectors"]
    save_file({"item_vectors": vectors[:-1].clone()}, file)
    with pytest.raises(ArtifactError, match=r"are \(7, 8\), not 8 of width 8"):
        load_artifact(tmp_path / "hstu" / "v1")
    vectors[3, 2] = torch.nan
    save_file({"item_vectors": vectors}, file)
    with pytest.raises(ArtifactError, match=r"item 'item 3' among the item vectors .* is not finite, or too long"):
        load_artifact(tmp_path / "hstu" / "v1")
    vectors[3, 2] = 1e20
    save_file({"item_vectors": vectors}, file)
    with pytest.raises(ArtifactError, match=r"item 'item 3' among the item vectors .* is not finite, or too long"):
        load_artifact(tmp_path / "hstu" / "v1")


def test_what_the_encoder_reads_and_what_queries_are_compared_with_are_kept_apart(tmp_path: Path) -> None:
    folder = save_artifact(tmp_path, manifest(), model(), vocabulary())
    artifact = load_artifact(folder)
    torch.testing.assert_close(artifact.item_vectors, model().items.table(torch.arange(8)))
    torch.testing.assert_close(artifact.retrieval_vectors, model().retrieval_vectors(7))
    file = folder / "retrieval_vectors.safetensors"
    save_file({"retrieval_vectors": artifact.retrieval_vectors[:-1].clone()}, file)
    with pytest.raises(ArtifactError, match=r"the retrieval vectors in .* are \(7, 8\), not 8"):
        load_artifact(folder)


def test_the_family_stands_in_the_path_and_in_the_manifest(tmp_path: Path) -> None:
    other = ModelConfig(width=8, max_length=4, backbone=SasrecConfig(), items=CONFIG.items)
    folders = [
        save_artifact(tmp_path, manifest(name), build(of, 7, torch.arange(1, 6), torch.randn(8, 3)), vocabulary())
        for name, of in (("v1", CONFIG), ("v2", other))
    ]
    assert folders == [tmp_path / "hstu" / "v1", tmp_path / "sasrec" / "v2"]
    assert [load_artifact(folder).family.name for folder in folders] == ["hstu", "sasrec"]
    with pytest.raises(ArtifactError, match=r"v1 exists already in .*hstu: .* one version, whatever its family"):
        save_artifact(tmp_path, manifest(), build(other, 7, torch.arange(1, 6), torch.randn(8, 3)), vocabulary())


def test_a_version_of_another_family_is_none_of_this_one(tmp_path: Path) -> None:
    folder = save_artifact(tmp_path, manifest(), model(), vocabulary())
    folder.rename(tmp_path / "hstu" / "v2")
    (tmp_path / "hstu").rename(tmp_path / "sasrec")
    assert list_versions(tmp_path / "sasrec") == []


def test_a_version_from_before_there_were_families_is_refused(tmp_path: Path) -> None:
    folder = save_artifact(tmp_path, manifest(), model(), vocabulary())
    old = json.loads((folder / "manifest.json").read_text())
    del old["family"]
    (folder / "manifest.json").write_text(json.dumps(old))
    with pytest.raises(ArtifactError, match=r"v1 .*names no family of models.*: train it again"):
        load_artifact(folder)


def test_version_names_sort_by_time_and_say_of_which_family_they_are() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 6000, UTC)
    assert new_version("hstu", moment) == "20260102T030405-006-hstu"
    assert new_version("ials", moment) < new_version("hstu", moment.replace(second=6))
