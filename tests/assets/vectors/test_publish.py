"""Vectors of two nights: they score as the version does, lie in one space where they can, and come all or none."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
import torch
from fastapi.testclient import TestClient

from assets.resources import Storage
from assets.vectors.assets import user_item_vectors
from assets.vectors.batches import complete_batches, newest_batch
from assets.vectors.publish import Published, publish
from assets.vectors.settings import VectorsSettings
from models.artifact import load_artifact, save_artifact
from models.columns import BATCH
from models.config.model import ModelConfig
from models.families.registry import build
from models.manifest import Manifest, read_manifest
from models.popularity import PopularityOverTime
from models.space import read_space
from models.vocabulary import Vocabulary
from serving.api import build_api
from serving.history import histories_of
from serving.settings import AppSettings, ReleaseConfig, SequencesVersion, TableVersion
from serving.slot import ReleaseSlot
from storage.lake import Lake
from storage.schema import ITEM_VECTORS_TABLE, ITEMS_TABLE, USER_VECTORS_TABLE, VECTORS_KEPT_BY, user_vectors_schema
from storage.sequence_store import SEQUENCES_TABLE
from tests.assets.ranking.worlds import ITEMS, USERS, write_shop

AS_OF = datetime(2026, 2, 1, tzinfo=UTC)
IDS = [f"i{item:02}" for item in range(ITEMS + 1)]
SHAPE: dict[str, Any] = {
    "width": 4,
    "max_length": 8,
    "popularity": True,
    "backbone": {"layers": 1, "heads": 1, "head_dim": 4},
}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    write_shop(Lake(str(folder)), days=2)
    return folder


@pytest.fixture
def lake(shop: Path, tmp_path: Path) -> Lake:
    """The shop's log without any vectors; only those are written."""
    (tmp_path / "tables").mkdir()
    for part in shop.iterdir():
        if part.name != "tables":
            (tmp_path / part.name).symlink_to(part)
    for table in (shop / "tables").iterdir():
        (tmp_path / "tables" / table.name).symlink_to(table)
    return Lake(str(tmp_path), artifacts=str(tmp_path / "own"))


def version(lake: Lake, name: str, seed: int = 0, night: int = 0, ids: list[str] = IDS, **shape: Any) -> Path:
    """Of random weights."""
    torch.manual_seed(seed)
    popularity = PopularityOverTime(np.array([0, 1]), np.tile(np.arange(len(ids) + 1, dtype=np.float32), (2, 1)))
    model = build(ModelConfig.model_validate(SHAPE | shape), len(ids), popularity=popularity)
    torch.nn.init.normal_(model.items.ids.weight)
    created = AS_OF + timedelta(days=night)
    manifest = Manifest(version=name, created=created, cutoff=AS_OF, data_end=AS_OF, positive_actions=["click"])
    vocabulary = Vocabulary(pl.Series(ids), np.arange(1, len(ids) + 1), np.arange(len(ids) + 1, dtype=np.float32))
    return save_artifact(lake.folder("artifacts"), manifest, model, vocabulary)


def published(lake: Lake, folder: Path, batch: str = "1", keep: int = 7) -> Published:
    (told,), _ = publish(lake, [folder], "string", 1_000_000, batch, AS_OF, keep)
    return told


def table(lake: Lake, name: str, batch: str) -> pl.DataFrame:
    return lake.scan(name).filter(pl.col(BATCH) == batch).collect()


def matrix(rows: pl.DataFrame) -> np.ndarray:
    return np.array(rows["vector"].to_list())


@pytest.mark.parametrize(("popularity", "narrow"), [(True, 0), (False, 0), (True, 2)])
def test_their_products_are_the_scores_and_the_next_night_is_turned(lake: Lake, popularity: bool, narrow: int) -> None:
    shape: dict[str, Any] = {"popularity": popularity, "decoding_width": narrow}
    first = version(lake, "v1", **shape)
    told = published(lake, first)
    assert (told.space.id, told.space.towards, told.space.canonical) == ("v1", None, popularity)
    assert (told.users, told.items, told.without) == (len(USERS), len(IDS), 0)
    assert "no version of the family hstu" in told.space.reason
    users, items = (table(lake, name, "1") for name in (USER_VECTORS_TABLE, ITEM_VECTORS_TABLE))
    artifact = load_artifact(first)
    histories = histories_of(lake.interactions(), artifact)
    for user, as_of, vector in users.select("user_id", "as_of", "vector").iter_rows():
        asked = np.array([int(as_of.timestamp() * 1000)])
        history = histories.of(user)
        assert history is not None
        scores = artifact.family.score(artifact, history, asked)[0, 1:].numpy()
        np.testing.assert_allclose(matrix(items) @ np.array(vector), scores, atol=1e-4)

    # The same function after another training: in the same space, and as it was.
    again = published(lake, version(lake, "v2", night=1, **shape), "2")
    assert (again.space.id, again.space.towards, again.space.common_items) == ("v1", "v1", len(IDS))
    assert again.space.mean_cosine == pytest.approx(1)
    np.testing.assert_allclose(matrix(table(lake, ITEM_VECTORS_TABLE, "2")), matrix(items), atol=1e-5)
    other = published(lake, version(lake, "v3", seed=5, night=2, **shape), "3")
    assert (other.space.id, other.space.towards) == ("v1", "v2")
    assert other.space.mean_cosine is not None
    assert 0 < other.space.mean_cosine < 0.99
    assert read_manifest(lake.folder("artifacts") / "hstu" / "v3").space == other.space


@pytest.mark.parametrize(
    ("other", "why"),
    [
        ({"decoding_width": 2}, "vectors of v2 have 3 dimensions, those of v1 5"),
        ({"width": 6}, "vectors of v2 have 7 dimensions, those of v1 5"),
        (
            {"backbone": {"layers": 2, "heads": 1, "head_dim": 4}},
            "v2 is built otherwise than v1: backbone.layers is 2, not 1",
        ),
        (
            {"popularity": False, "ids": [IDS[0], *(f"new{place}" for place in range(12))]},
            "of v2 and v1 1 items are common",
        ),
        ({"popularity": False, "ids": [f"new{place}" for place in range(13)]}, "of v2 and v1 0 items are common"),
    ],
)
def test_what_cannot_be_compared_gets_a_new_space_that_names_both(lake: Lake, other: dict[str, Any], why: str) -> None:
    published(lake, version(lake, "v1", popularity=other.get("popularity", True)))
    told = published(lake, version(lake, "v2", night=1, **other), "2")
    assert (told.space.id, told.space.towards, told.space.mean_cosine) == ("v2", None, None)
    assert why in told.space.reason


def test_what_only_follows_the_data_is_no_other_architecture(lake: Lake) -> None:
    published(lake, version(lake, "v1"))
    told = published(lake, version(lake, "v2", night=1, max_length=6, input_dropout=0.4), "2")
    assert told.space.id == "v1"


def test_nobody_to_make_vectors_of_is_no_error(lake: Lake) -> None:
    told = published(lake, version(lake, "v1", ids=[f"new{place}" for place in range(8)]))
    assert (told.users, told.items, told.without) == (0, 8, len(USERS))
    assert "turned only: the user vectors fill 0 of 5 dimensions" in told.space.reason
    assert table(lake, USER_VECTORS_TABLE, "1").is_empty()
    assert newest_batch(lake, "v1") == "1"


def test_a_version_keeps_its_space_and_the_newest_batches_stay(lake: Lake) -> None:
    folder = version(lake, "v1")
    for batch in "1234":
        told = published(lake, folder, batch, keep=2)
        assert (told.is_new, told.space) == (batch == "1", read_manifest(folder).space)
    for name in (USER_VECTORS_TABLE, ITEM_VECTORS_TABLE):
        assert sorted(lake.scan(name).collect()[BATCH].unique()) == ["3", "4"]


def test_half_a_batch_is_none_and_is_cleared_away(lake: Lake) -> None:
    folder = version(lake, "v1")
    published(lake, folder)
    half = table(lake, USER_VECTORS_TABLE, "1").with_columns(pl.lit("2").alias(BATCH))
    from storage.staged_files import Staging

    with Staging(lake) as staging:
        files = staging.write_partitions(USER_VECTORS_TABLE, half, VECTORS_KEPT_BY)
        lake.commit(USER_VECTORS_TABLE, files, half, VECTORS_KEPT_BY, {BATCH: ["2"]})
    assert newest_batch(lake, "v1") == "1"
    published(lake, folder, "3")
    assert sorted(lake.scan(USER_VECTORS_TABLE).collect()[BATCH].unique()) == ["1", "3"]
    assert complete_batches(lake)[BATCH].to_list() == ["1", "3"]


def test_tables_of_earlier_versions_of_this_program_are_replaced(lake: Lake) -> None:
    former = [name for name in user_vectors_schema("string") if name not in ("space", "batch", "as_of")]
    lake.overwrite(USER_VECTORS_TABLE, pl.DataFrame(schema=user_vectors_schema("string")).select(former))
    published(lake, version(lake, "v1"))
    assert table(lake, USER_VECTORS_TABLE, "1").height == len(USERS)


def test_a_damaged_version_writes_nothing(lake: Lake) -> None:
    torch.manual_seed(0)
    good = version(lake, "v1")
    weights = good / "model.safetensors"
    from safetensors.torch import load_file, save_file

    state = load_file(weights)
    state["encoder.positions"][:] = float("nan")
    save_file(state, weights)
    with pytest.raises(ValueError, match="not finite: the weights or item vectors of version v1 are damaged"):
        published(lake, good)
    assert not any(lake.exists(name) for name in (USER_VECTORS_TABLE, ITEM_VECTORS_TABLE))
    assert read_space(good) is None


def test_what_cannot_be_published_keeps_nothing_from_being_served(lake: Lake) -> None:
    good = version(lake, "v1")
    (good / "model.safetensors").write_bytes(b"damaged")
    result = dg.materialize(
        [user_item_vectors],
        resources={
            "lake": Storage(root=lake.root, artifacts=str(lake.folder("artifacts").parent)),
            "vectors": VectorsSettings(),
        },
    )
    assert result.success
    check = result.get_asset_check_evaluations()[0]
    assert not check.passed
    assert "the batch before stays, as publishing failed" in str(check.description)
    assert not lake.exists(ITEM_VECTORS_TABLE)


def served(lake: Lake, folder: Path) -> ReleaseSlot:
    slot = ReleaseSlot()
    config = ReleaseConfig(
        version=folder.name,
        artifact=folder,
        sequences=SequencesVersion(root=lake.root, version=lake.version(SEQUENCES_TABLE)),
        items=TableVersion(uri=lake.uri(ITEMS_TABLE), version=lake.version(ITEMS_TABLE)),
    )
    slot.replace(config.model_dump(mode="json"))
    assert slot.status().last_error is None
    return slot


def test_the_endpoint_gives_vectors_of_the_same_space(lake: Lake) -> None:
    published(lake, version(lake, "v1", seed=3))
    folder = version(lake, "v2", night=1)
    with TestClient(build_api(served(lake, folder), AppSettings())) as http:
        answer = http.post("/v1/vectors", json={"user_id": USERS[3]})
        assert answer.status_code == 409
        assert "version v2 has no space yet: materialize `user_item_vectors`" in answer.json()["detail"]
    published(lake, folder, "2")
    row = table(lake, USER_VECTORS_TABLE, "2").row(by_predicate=pl.col("user_id") == USERS[3], named=True)
    with TestClient(build_api(served(lake, folder), AppSettings())) as http:
        at = int(row["as_of"].timestamp() * 1000)
        answer = http.post("/v1/vectors", json={"user_id": USERS[3], "at": at}).json()
        assert (answer["space"], answer["version"], answer["as_of"]) == ("v1", "v2", at)
        np.testing.assert_allclose(answer["vector"], row["vector"], atol=1e-5)
        given = http.post("/v1/vectors", json={"history": [{"item_id": IDS[2]}]}).json()
        assert (len(given["vector"]), given["history_length"]) == (5, 1)
        nobody = http.post("/v1/vectors", json={"user_id": "nobody"})
        assert (nobody.status_code, "is not known" in nobody.json()["detail"]) == (404, True)
        assert http.post("/v1/vectors", json={}).status_code == 422
        assert http.get("/v1/status").json()["space"] == "v1"


def test_maps_that_do_not_belong_to_a_space_are_not_served(lake: Lake) -> None:
    folder = version(lake, "v1")
    published(lake, folder)
    (folder / "space.safetensors").write_bytes(b"?")
    slot = ReleaseSlot()
    config = ReleaseConfig(
        version="v1",
        artifact=folder,
        sequences=SequencesVersion(root=lake.root, version=lake.version(SEQUENCES_TABLE)),
        items=TableVersion(uri=lake.uri(ITEMS_TABLE), version=lake.version(ITEMS_TABLE)),
    )
    slot.replace(config.model_dump(mode="json"))
    assert "version v1 must not be served" in str(slot.status().last_error)
