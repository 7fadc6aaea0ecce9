"""The exported encoder gives the vectors that the live one gives, whatever the family and the lengths."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from models.artifact import Artifact, load_artifact, save_artifact
from models.config.model import ModelConfig
from models.export import PROGRAM, USAGE, Usage, exported_encoder, write_encoder
from models.families.family import NoVectors
from models.families.registry import build
from models.interactions import Interactions
from models.manifest import Manifest, Space
from models.popularity import PopularityOverTime
from models.space import StableSpace
from models.stable_space import Maps
from models.vocabulary import Vocabulary
from tests.models.argus.worlds import towers, towers_config

ITEMS, LONGEST, HOUR = 12, 6, 3_600_000
CUTOFF = datetime(2026, 1, 1, tzinfo=UTC)
START = int(CUTOFF.timestamp() * 1000)
BACKBONES: dict[str, dict[str, Any]] = {
    "hstu": {"name": "hstu_research", "heads": 2, "head_dim": 4},
    "hstu with softmax": {"name": "hstu_research", "heads": 2, "head_dim": 4, "attention": "softmax"},
    "sasrec": {"name": "sasrec", "heads": 2},
    "ligr": {"name": "ligr", "heads": 2},
}

APART = """
import sys, torch
program, item_index, timestamps = torch.export.load(sys.argv[1]).module(), [[3, 5, 1]], [[1000, 2000, 0]]
print(program(*map(torch.tensor, (item_index, timestamps, [2], [9000])))[0].tolist())
assert not any(name.split(".")[0] in ("models", "assets", "polars") for name in sys.modules)
"""


def of_model(model: Any, items: int) -> Artifact:
    manifest = Manifest(version="v1", created=CUTOFF, cutoff=CUTOFF, data_end=CUTOFF, positive_actions=["like"])
    vocabulary = Vocabulary(pl.Series(range(1, items + 1)), np.arange(1, items + 1), np.ones(items + 1, np.float32))
    return Artifact.of(manifest, model, vocabulary)


def recommender(backbone: dict[str, Any], popularity: bool = True, decoding_width: int = 0) -> Artifact:
    """Of weights so large that everything it reads matters."""
    torch.manual_seed(0)
    counts = PopularityOverTime(np.array([0, 1]), np.tile(np.arange(ITEMS + 1, dtype=np.float32), (2, 1)))
    shape = {"width": 8, "max_length": LONGEST, "popularity": popularity, "backbone": backbone}
    shape["decoding_width"] = decoding_width
    model = build(ModelConfig.model_validate(shape), ITEMS, popularity=counts)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.5)
    return of_model(model, ITEMS)


def space_of(artifact: Artifact) -> StableSpace:
    width = artifact.retrieval_vectors.shape[1]
    by = np.random.default_rng(0).normal(size=(width, width))
    return StableSpace(Space(id="v0", towards="v0", canonical=True, change_of_scores=0.0), Maps(np.eye(width), by))


@pytest.mark.parametrize(
    ("backbone", "popularity", "decoding_width"),
    zip(BACKBONES, [True, False, True, False], [0, 0, 3, 3], strict=True),
)
def test_it_gives_what_the_live_encoder_gives(backbone: str, popularity: bool, decoding_width: int) -> None:
    artifact = recommender(BACKBONES[backbone], popularity, decoding_width)
    space, random = space_of(artifact), np.random.default_rng(1)
    program = exported_encoder(artifact, space).module()
    for lengths in ([1], [3], [1, 1], [2, LONGEST, 1]):
        people = [
            (
                random.integers(1, ITEMS + 1, n).tolist(),
                (START - HOUR * np.sort(random.integers(1, 500, n))[::-1]).tolist(),
            )
            for n in lengths
        ]
        asked = np.full(len(lengths), START)
        live = space.users(artifact.family.user_vectors(artifact, Interactions.of(people), asked).numpy())
        # Whatever stands behind a history changes nothing.
        item_index = torch.from_numpy(random.integers(1, ITEMS + 1, (len(lengths), max(lengths))))
        timestamps = torch.from_numpy(random.integers(0, START, (len(lengths), max(lengths))))
        for row, (items, times) in enumerate(people):
            item_index[row, : len(items)], timestamps[row, : len(times)] = torch.tensor(items), torch.tensor(times)
        found = program(item_index, timestamps, torch.tensor(lengths), torch.from_numpy(asked))
        np.testing.assert_allclose(found.numpy(), live, atol=2e-5 * np.abs(live).max())
        assert live.std() > 0.1


def test_it_runs_without_this_project(tmp_path: Path) -> None:
    artifact = recommender(BACKBONES["hstu"])
    version = save_artifact(tmp_path, artifact.manifest, artifact.model, artifact.vocabulary)
    space = space_of(artifact)
    write_encoder(load_artifact(version), version, space, tmp_path / "out")
    usage = Usage.model_validate_json((tmp_path / "out" / USAGE).read_text())
    assert (usage.version, usage.space, usage.width, usage.max_length) == ("v1", "v0", 9, LONGEST)
    assert Vocabulary.read(tmp_path / "out" / "vocabulary.parquet").item_ids.to_list() == list(range(1, ITEMS + 1))
    asked = [sys.executable, "-c", APART, str(tmp_path / "out" / PROGRAM)]
    told = subprocess.run(asked, capture_output=True, text=True, timeout=120, cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    live = artifact.family.user_vectors(artifact, Interactions.of([([3, 5], [1000, 2000])]), np.array([9000])).numpy()
    np.testing.assert_allclose(json.loads(told.stdout), space.users(live)[0], rtol=1e-4, atol=1e-4)


def test_what_reads_more_than_items_is_refused_with_a_way_out() -> None:
    artifact = of_model(towers(towers_config()), 20)
    with pytest.raises(NoVectors, match=r"of the family argus_towers, .* ask the endpoint's /v1/vectors"):
        exported_encoder(artifact, space_of(artifact))
