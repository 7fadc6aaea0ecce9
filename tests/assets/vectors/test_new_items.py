"""A title that the catalogue lists after training: from the table of vectors to what the endpoint answers."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
import torch
from fastapi.testclient import TestClient

from assets.content.content_embeddings import content_table
from assets.endpoint.rollout import champion_release
from assets.resources import Storage
from assets.vectors.new_item_assets import SERVED, new_item_vectors
from assets.vectors.new_items import as_served, make_new_items
from assets.vectors.publish import publish
from assets.versions import releases_of
from models.artifact import load_artifact, save_artifact
from models.availability import CATALOGUE_DAYS_TABLE
from models.config.model import ItemTowerConfig, ModelConfig
from models.families.registry import build
from models.fitted.config import PopularityConfig
from models.interactions import Interactions
from models.manifest import Manifest
from models.modalities import Modality
from models.popularity import PopularityOverTime
from models.vocabulary import Vocabulary
from serving.api import build_api
from serving.loaded import load_release
from serving.settings import AppSettings
from serving.slot import ReleaseSlot
from storage.lake import Lake
from storage.schema import (
    CONTENT_TABLE,
    ITEM_VECTORS_TABLE,
    ITEMS_TABLE,
    NEW_ITEM_VECTORS_TABLE,
    USER_VECTORS_TABLE,
    embeddings_schema,
    new_item_vectors_schema,
)
from tests.assets.ranking.worlds import ITEMS, write_shop
from tests.assets.sequences.test_build import FIRST, events, put, update
from tests.models.fitted.worlds import fitted

END = datetime(2026, 2, 1, tzinfo=UTC)
IDS = [f"i{item:02}" for item in range(ITEMS + 1)]
LATE = ["late 1", "late 2"]
BARE = "nothing is known of it"
ENCODER = "a text model"
TEXT = {"text": Modality(width=5, encoder=ENCODER)}
VECTORS = torch.nn.functional.normalize(torch.randn(60, 5, generator=torch.Generator().manual_seed(2)))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    write_shop(lake, days=1)
    describe(lake, IDS)
    return lake


def describe(lake: Lake, ids: list[str], encoder: str | None = ENCODER, width: int = 5) -> None:
    """The content of `ids`, each with a vector of its own but for the one of which nothing is known."""
    rows = [
        (item, None if item == BARE else f"hash of {item}", VECTORS[place, :width].tolist(), encoder)
        for place, item in enumerate(ids)
    ]
    texts = pl.DataFrame(rows, schema=embeddings_schema("string"), orient="row")
    lake.overwrite(CONTENT_TABLE, content_table({"text": texts, "image": texts.clear()}))


def list_items(lake: Lake, ids: list[str], day: int, whole: bool = False) -> None:
    """The catalogue of a day; one that is `whole` tells what is gone."""
    rows = lake.scan(ITEMS_TABLE).head(1).collect()
    new = pl.concat([rows.with_columns(item_id=pl.lit(item), title=pl.lit(f"Title of {item}")) for item in ids])
    at = FIRST + timedelta(days=day)
    new = new.with_columns(day=pl.lit(at), categories=pl.lit(["new"], pl.List(pl.String)))
    lake.overwrite(ITEMS_TABLE, pl.concat([lake.scan(ITEMS_TABLE).collect(), new]))
    if whole:
        days = pl.DataFrame(
            {"day": [at], "whole": [True], "put_aside": [[]]}, schema_overrides={"put_aside": pl.List(pl.String)}
        )
        lake.overwrite(CATALOGUE_DAYS_TABLE, days)


def version(lake: Lake, name: str = "v1", ids: list[str] = IDS, made_of: Mapping[str, Modality] = TEXT) -> Path:
    """Of random weights, trained on all items of the shop but the last, which nobody saw, and the later ones."""
    torch.manual_seed(0)
    content = torch.cat([torch.zeros(1, 5), VECTORS[: len(ids)]])
    counts = np.zeros((1, len(ids) + 1), np.float32)
    counts[:, 1 : ITEMS + 1] = 1 + np.arange(ITEMS)
    trained = np.arange(1, ITEMS + 1)
    shape = ModelConfig(
        width=8, max_length=8, popularity=True, items=ItemTowerConfig(content_dim=5, modalities=dict(made_of))
    )
    over_time = PopularityOverTime(np.array([0]), counts)
    model = build(shape, len(ids), torch.from_numpy(trained), content, over_time)
    torch.nn.init.normal_(model.items.ids.weight)
    torch.nn.init.normal_(model.items.projection.weight)
    record = Manifest(version=name, created=END, cutoff=END, data_end=END, positive_actions=["click"])
    return save_artifact(lake.folder("artifacts"), record, model, Vocabulary(pl.Series(ids), trained, counts[-1]))


def made(lake: Lake, *folders: Path) -> dict[str, Any]:
    told, _ = make_new_items(lake, folders, "string")
    return {one.version: one for one in told}


def table(lake: Lake) -> pl.DataFrame:
    return lake.scan(NEW_ITEM_VECTORS_TABLE).sort("version", "item_id").collect()


def materialize(lake: Lake) -> tuple[dict[str, Any], dg.AssetCheckEvaluation]:
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            [new_item_vectors, *(dg.SourceAsset(name) for name in ("content_embeddings", "release"))],
            resources={"lake": Storage(root=lake.root, id_type="string")},
            instance=instance,
        )
    (event,) = result.asset_materializations_for_node("new_item_vectors")
    (check,) = result.get_asset_check_evaluations()
    assert (result.success, check.check_name) == (True, SERVED)
    return {name: value.value for name, value in event.metadata.items()}, check


def test_a_title_that_comes_after_training_is_recommended_by_the_endpoint_that_runs(lake: Lake) -> None:
    """It is read in histories, found by category and neighbours, excluded, and leaves with the catalogue."""
    version(lake)
    releases_of(lake).promote("v1", "the first one")
    slot = ReleaseSlot()
    with TestClient(build_api(slot, AppSettings()), raise_server_exceptions=False) as http:

        def refreshed() -> dict[str, Any]:
            slot.replace(champion_release(lake, "shop").model_dump(mode="json"))
            status: dict[str, Any] = http.get("/v1/status").json()
            assert status["last_error"] is None
            return status

        def asked(path: str = "recommendations", **body: Any) -> list[str]:
            answer = http.post(f"/v1/{path}", json={"k": 100, **body}).json()
            assert answer.get("source", "model") == "model", answer
            return [item["item_id"] for item in answer["items"]]

        assert refreshed()["new_items"] == 0
        assert not set(asked(user_id="u00", exclude_seen=False)) & set(LATE)

        list_items(lake, [*LATE, BARE], day=1)
        describe(lake, [*IDS, *LATE, BARE])
        told, check = materialize(lake)
        assert (told["version"], told["new_items"], told["without_content"], told["left_out"]) == ("v1", 2, 1, 0)
        assert check.passed
        # u00 clicks on the new one on the day after.
        put(lake, events([("u00", "late 1", 86_400, "click", None, "home", "r1", 0)], 1), 1)
        update(lake)
        assert refreshed()["new_items"] == 2
        answers = {user: asked(user_id=user, exclude_seen=False) for user in ("u00", "u01")}
        assert all({*IDS, *LATE} == set(items) for items in answers.values()), "nothing is known of the third"
        assert asked(user_id="u01", category="new") == [item for item in answers["u01"] if item in LATE]
        assert "late 1" not in asked(user_id="u00")
        assert "late 2" not in asked(user_id="u00", exclude_items=["late 2"])
        assert set(asked("similar", item_id="late 1")) == {*IDS, "late 2"}
        answer = http.post("/v1/recommendations", json={"history": [{"item_id": "late 1"}], "category": "new"}).json()
        assert (answer["source"], answer["history_length"]) == ("model", 1)
        assert [item["title"] for item in answer["items"]] == ["Title of late 2"]

        list_items(lake, [*IDS, "late 2"], day=2, whole=True)
        refreshed()
        assert set(asked(user_id="u01", exclude_seen=False)) == {*IDS, "late 2"}


def test_the_vectors_are_those_of_a_version_that_had_known_it(lake: Lake) -> None:
    """In parts, and by whatever version: to the last bit of what a product of other rows rounds."""
    late = [f"late {place}" for place in range(40)]
    describe(lake, [*IDS, *late])
    told = made(lake, version(lake), version(lake, "v2", [*IDS, *late]))
    assert {name: (one.items, one.family) for name, one in told.items()} == {"v1": (40, "hstu"), "v2": (0, "hstu")}
    whole, rows = load_artifact(lake.folder("artifacts") / "hstu" / "v2"), table(lake)
    assert dict(rows.schema) == new_item_vectors_schema("string")
    places = whole.vocabulary.indices(rows["item_id"])
    for name, of in whole.vectors.items():
        np.testing.assert_allclose(np.array(rows[name].to_list(), np.float32), of[places], rtol=0, atol=1e-6)


def test_what_is_not_of_the_versions_that_serve_goes_and_comes_in_one_commit(lake: Lake) -> None:
    describe(lake, [*IDS, *LATE])
    first, second = version(lake), version(lake, "v2")
    made(lake, first)
    before = lake.version(NEW_ITEM_VECTORS_TABLE)
    made(lake, second)
    assert table(lake)["version"].unique().to_list() == ["v2"]
    assert lake.version(NEW_ITEM_VECTORS_TABLE) == before + 1
    describe(lake, IDS)
    assert made(lake, first, second)["v1"].items == 0
    assert table(lake).is_empty()


def test_what_is_published_reads_them_as_the_endpoint_does_in_the_space_of_the_version_alone(lake: Lake) -> None:
    folder = version(lake)
    releases_of(lake).promote("v1", "the first one")
    list_items(lake, LATE, day=1)
    describe(lake, [*IDS, *LATE])
    made(lake, folder)
    put(lake, events([("u00", "late 1", 86_400, "click", None, "home", "r1", 0)], 1), 1)
    update(lake)
    (told,), _ = publish(lake, [folder], "string", 1_000_000, "1", END, keep_batches=7)
    assert (told.items, told.space.id) == (len(IDS) + len(LATE), "v1")
    assert set(lake.scan(ITEM_VECTORS_TABLE).collect()["item_id"]) == {*IDS, *LATE}
    user = lake.scan(USER_VECTORS_TABLE).filter(pl.col("user_id") == "u00").collect()
    slot = ReleaseSlot()
    slot.replace(champion_release(lake, "shop").model_dump(mode="json"))
    with TestClient(build_api(slot, AppSettings())) as http:
        asked = {"user_id": "u00", "at": int(END.timestamp() * 1000)}
        live = http.post("/v1/vectors", json=asked).json()
    assert live["vector"] == pytest.approx(user["vector"][0].to_list(), abs=1e-5)
    alone = load_artifact(folder)
    assert len(as_served(lake, alone).vocabulary) == len(alone.vocabulary) + len(LATE)


@pytest.mark.parametrize(
    ("made_of", "content", "why"),
    [
        (
            TEXT,
            {"encoder": "another"},
            "of text (5 wide, by another), but version v1 was trained on text (5 wide, by a",
        ),
        (TEXT, {"encoder": None}, "of text (5 wide, by an unknown encoder), but version v1"),
        (TEXT, {"width": 4}, "of text (4 wide, by a text model), but version v1 was trained on text (5 wide, by a"),
        ({name: Modality(width=width) for name, width in (("text", 2), ("image", 3))}, {}, "image (3 wide, by an"),
        ({}, {}, "does not say what the content was made of"),
    ],
)
def test_content_of_another_encoder_is_refused_and_what_was_made_before_stays(
    lake: Lake, made_of: Mapping[str, Modality], content: dict[str, Any], why: str
) -> None:
    releases_of(lake).promote("v1", "the first one")
    version(lake, made_of=made_of)
    rows = {name: [[1.0] * (8 + (name == "retrieval_vectors"))] for name in ("item_vectors", "retrieval_vectors")}
    earlier = pl.DataFrame({"version": "v1", "item_id": ["earlier"], **rows}, schema=new_item_vectors_schema("string"))
    lake.overwrite(NEW_ITEM_VECTORS_TABLE, earlier, ["version"])
    describe(lake, [*IDS, *LATE], **content)
    told, check = materialize(lake)
    assert (told["new_items"], told["left_out"]) == (0, 2)
    assert not check.passed
    assert why in told["why"]
    assert table(lake).equals(earlier)


def test_what_fails_changes_nothing_and_says_so(lake: Lake) -> None:
    releases_of(lake).promote("v1", "the first one")
    version(lake)
    describe(lake, [*IDS, *LATE])
    content = lake.scan(CONTENT_TABLE).collect().with_columns(vector=pl.col("vector").list.eval(pl.element() * np.nan))
    lake.overwrite(CONTENT_TABLE, content)
    told, check = materialize(lake)
    assert not check.passed
    assert "not finite: embed it again" in told["skipped"]
    assert not lake.exists(NEW_ITEM_VECTORS_TABLE)


def test_a_family_that_reads_no_content_leaves_them_out_and_counts_them(lake: Lake) -> None:
    counted = fitted(PopularityConfig(), Interactions.of([([1, 2], [0, 1])]), len(IDS))
    record = counted.manifest.model_copy(update={"version": "v1"})
    vocabulary = Vocabulary(pl.Series(IDS), np.array([1, 2]), counted.vocabulary.popularity)
    save_artifact(lake.folder("artifacts"), record, counted.model, vocabulary)
    releases_of(lake).promote("v1", "the first one")
    describe(lake, [*IDS, *LATE])
    told, check = materialize(lake)
    assert (told["new_items"], told["left_out"], check.passed) == (0, 2, True)
    assert "family popularity knows an item by who chose it alone" in told["why"]
    assert load_release(champion_release(lake, "shop")).new_items == 0


def test_a_rollback_finds_the_new_items_of_the_version_that_it_puts_back(lake: Lake) -> None:
    releases = releases_of(lake)
    for name in ("v1", "v2"):
        version(lake, name)
        releases.promote(name, "it is better")
        releases.served(name)
    describe(lake, [*IDS, *LATE])
    told, _ = materialize(lake)
    assert (told["version"], told["new_items"], told["previous_version"]) == ("v2", 2, "v1")
    releases.rollback("it was not")
    release = load_release(champion_release(lake, "shop"))
    assert (release.config.version, release.new_items) == ("v1", 2)


def test_a_version_before_the_champion_that_is_damaged_is_named_and_the_champion_gets_its_new_items(lake: Lake) -> None:
    folders = {name: version(lake, name) for name in ("v1", "v2")}
    for name in folders:
        releases_of(lake).promote(name, "it is better")
        releases_of(lake).served(name)
    weights = folders["v1"] / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:20])
    describe(lake, [*IDS, *LATE])
    told, check = materialize(lake)
    assert (told["version"], told["new_items"], check.passed) == ("v2", 2, True)
    assert "v1/model.safetensors is damaged" in told["previous_why"]


def test_content_that_names_an_item_twice_is_refused_and_what_was_made_stays(lake: Lake) -> None:
    version(lake)
    releases_of(lake).promote("v1", "it is better")
    describe(lake, [*IDS, *LATE])
    materialize(lake)
    before = table(lake)
    content = lake.scan(CONTENT_TABLE).collect()
    lake.overwrite(CONTENT_TABLE, pl.concat([content, content.filter(pl.col("item_id") == LATE[1])]))
    told, check = materialize(lake)
    assert "the new item 'late 2' is there twice: materialize `content_embeddings` again" in told["skipped"]
    assert not check.passed
    assert table(lake).equals(before)


def test_without_content_or_champion_there_is_nothing_to_do(lake: Lake, tmp_path: Path) -> None:
    assert materialize(lake)[0] == {"skipped": "no version was ever promoted"}
    assert materialize(Lake(str(tmp_path / "empty")))[0] == {"skipped": "there is no content"}
