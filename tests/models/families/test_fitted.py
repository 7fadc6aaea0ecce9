"""The families that are fitted: kept, loaded, asked and refused as those that are trained."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from models.artifact import Artifact, ArtifactError, load_artifact, save_artifact
from models.evaluation.model_scorer import ModelScorer
from models.families.family import FittedFamily, NoNeighbours
from models.families.registry import FAMILIES, fitted_families
from models.golden import Golden, GoldenError, check_golden
from models.interactions import Interactions
from models.manifest import GOLDEN, MODEL, MODEL_CARD, list_versions
from models.recommend import recommend
from tests.models.evaluation.worlds import make_cases
from tests.models.fitted.worlds import CONFIGS, CUTOFF_MS, fitted, manifest, some_interactions, vocabulary_of

ITEMS = 12
TIMES = np.array([CUTOFF_MS - 3 * 86_400_000, CUTOFF_MS, CUTOFF_MS + 1])
ASKED = Interactions.of([([1, 2, 2], [0, 1, 2]), ([11, 3], [0, 5]), ([], [])])

every_family = pytest.mark.parametrize("family", CONFIGS)


def live(family: str, training: Interactions | None = None) -> Artifact:
    return fitted(CONFIGS[family], training or some_interactions(items=ITEMS), ITEMS)


def saved(folder: Path, artifact: Artifact) -> Path:
    return save_artifact(folder, manifest(), artifact.model, artifact.vocabulary)


def test_there_is_a_world_of_each_family() -> None:
    assert set(CONFIGS) == set(fitted_families())


@every_family
def test_a_version_answers_bit_for_bit_as_the_model_it_was_made_of(tmp_path: Path, family: str) -> None:
    made = live(family)
    folder = saved(tmp_path, made)
    assert folder == tmp_path / family / "v1"
    assert list_versions(folder.parent) == ["v1"]
    loaded = load_artifact(folder)
    assert loaded.manifest.family == family
    assert loaded.model.config == made.model.config
    check_golden(loaded, Golden.read(folder / GOLDEN))
    ours, theirs = (artifact.family.score(artifact, ASKED, TIMES) for artifact in (made, loaded))
    assert torch.equal(ours, theirs)
    assert not ours.isnan().any()
    assert family in (folder / MODEL_CARD).read_text()


@every_family
def test_lists_hold_what_was_seen_before_what_was_not(family: str) -> None:
    artifact = live(family)
    best = recommend(artifact, ASKED, TIMES, np.ones((3, ITEMS + 1), bool), ITEMS)
    assert [set(row[-2:].tolist()) for row in best.items] == [{11, 12}] * 3
    assert best.by_model.tolist() == [family != "popularity"] * 2 + [False]


@every_family
def test_a_log_that_tells_nothing_still_gives_a_version_that_can_be_served(tmp_path: Path, family: str) -> None:
    folder = saved(tmp_path, live(family, Interactions.of([([item], [CUTOFF_MS - 1]) for item in range(1, 4)])))
    check_golden(load_artifact(folder), Golden.read(folder / GOLDEN))


@every_family
@pytest.mark.parametrize("damage", ["shuffled", "nan"])
def test_a_damaged_version_is_refused(tmp_path: Path, family: str, damage: str) -> None:
    folder = saved(tmp_path, live(family))
    file = folder / {"popularity": MODEL, "item_knn": MODEL, "ials": "retrieval_vectors.safetensors"}[family]
    held = load_file(file)
    name = {"popularity": "chosen", "item_knn": "similarities", "ials": "retrieval_vectors"}[family]
    if damage == "shuffled":
        held[name] = held[name].flip(0)
    elif held[name].is_floating_point():
        held[name] = held[name] * torch.nan
    else:
        held[name] = held[name][:-1].clone()
    save_file({key: value.contiguous() for key, value in held.items()}, file)
    if family == "popularity" and damage == "shuffled":
        # Golden requests come after the cutoff, where popularity is the vocabulary's.
        return
    with pytest.raises((ArtifactError, GoldenError)):
        check_golden(load_artifact(folder), Golden.read(folder / GOLDEN))


@every_family
def test_a_vocabulary_of_another_size_is_refused_in_a_sentence(tmp_path: Path, family: str) -> None:
    folder = saved(tmp_path, live(family))
    vocabulary_of(some_interactions(items=5), 5).write(folder / "vocabulary.parquet")
    with pytest.raises(ArtifactError, match=r"fit the version again|train it again"):
        load_artifact(folder)


@every_family
def test_a_setting_that_no_such_family_has_is_refused(tmp_path: Path, family: str) -> None:
    folder = saved(tmp_path, live(family))
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"width": 8}))
    with pytest.raises(ArtifactError, match="width"):
        load_artifact(folder)


@every_family
def test_an_item_outside_the_vocabulary_names_the_user(family: str) -> None:
    artifact = live(family)
    if artifact.family.reads == "nothing":
        return
    with pytest.raises(ValueError, match=r"interaction 1 of user 1 has item index 13, but only indices 1\.\.12"):
        artifact.family.score(artifact, Interactions.of([([1], [0]), ([2, 13], [0, 1])]), np.array([9, 9]))


def test_popularity_knows_no_neighbours_and_says_so() -> None:
    artifact = live("popularity")
    with pytest.raises(NoNeighbours, match="version v1 is of the family popularity, which cannot tell"):
        artifact.family.similar(artifact, 1)


@every_family
def test_a_newer_vocabulary_asks_it_for_the_items_that_it_knows(family: str) -> None:
    artifact = live(family)
    newer = vocabulary_of(some_interactions(items=ITEMS + 2), ITEMS + 2)
    cases = make_cases([([1, 14], [2]), ([3], [13])], request_time=CUTOFF_MS)
    scores = ModelScorer(family, artifact, newer).score(cases)
    assert scores.shape == (2, ITEMS + 3)
    assert np.isinf(scores[:, [0, 13, 14]]).all()
    known = replace(artifact).family.score(artifact, Interactions.of([([1], [0]), ([3], [0])]), cases.request_times)
    assert np.array_equal(scores[:, 1:13], known[:, 1:].numpy())


def test_fitted_families_are_registered_but_offered_as_no_model_to_train() -> None:
    assert all(isinstance(FAMILIES[name], FittedFamily) for name in ("popularity", "item_knn", "ials"))
