from pathlib import Path

import numpy as np
import open_clip
import polars as pl
import pytest
import torch
from PIL import Image

from assets.content.assets import SIGNIFICANCE
from assets.content.encoders import silent
from assets.content.image_embeddings import ImageEmbeddings, image_hashes, image_table
from assets.content.incremental import no_vectors
from assets.content.settings import ImageSettings
from storage.schema import vectors_schema
from storage.vectors import to_matrix
from tests.assets.content.conftest import catalogue_rows, encoded, items_frame

N = 120


def text_vectors(n: int) -> pl.DataFrame:
    """Synthetic text vectors of 12 dimensions; items of the same colours have the same."""
    vectors = np.random.default_rng(5).normal(size=(16, 12))[np.arange(n) % 16]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = [(i, f"text {i % 16}", vector.tolist()) for i, vector in enumerate(vectors)]
    return pl.DataFrame(rows, schema=vectors_schema("int64"), orient="row")


def run(
    rows: list[dict[str, object]], folder: Path, settings: ImageSettings, known: pl.DataFrame | None = None
) -> ImageEmbeddings:
    known = no_vectors() if known is None else known
    return image_table(items_frame(rows).lazy(), text_vectors(len(rows)), known, folder, settings, silent)


def test_every_item_has_a_row_and_unusable_images_a_reason(tmp_path: Path, tiny_settings: ImageSettings) -> None:
    rows = catalogue_rows(N)
    rows[3]["image_bytes"] = None
    rows[4]["image_bytes"] = b"junk"
    rows[5]["image_bytes"] = encoded(Image.new("1", (3000, 3000)))
    rows[6] |= {"image_bytes": None, "image": str(tmp_path / "missing.png")}
    found = run(rows, tmp_path, tiny_settings.model_copy(update={"max_pixels": 10**6, "roots": (str(tmp_path),)}))
    assert found.table.frame["item_id"].to_list() == list(range(N))
    assert dict(found.table.frame.schema) == vectors_schema("int64")
    assert dict(found.rejected.iter_rows()) == {
        4: "not an image of a known format",
        5: "decompression bomb: more than 1000000 pixels",
        6: "file not found",
    }
    lengths = np.linalg.norm(to_matrix(found.table.frame["vector"]), axis=1)
    np.testing.assert_allclose(lengths, [0 if i in (3, 4, 5, 6) else 1 for i in range(N)], atol=1e-5)
    assert found.table.frame["content_hash"].is_null().to_list() == [i in (3, 4, 5, 6) for i in range(N)]
    assert found.table.embedded == N - 4


def test_a_second_run_trains_and_embeds_nothing(tmp_path: Path, tiny_settings: ImageSettings) -> None:
    rows = catalogue_rows(N)
    first = run(rows, tmp_path, tiny_settings)
    again = run(rows, tmp_path, tiny_settings, first.table.frame)
    assert (first.trained_now, first.table.embedded, first.table.reused) == (True, N, 0)
    assert (again.trained_now, again.table.embedded, again.table.reused) == (False, 0, N)
    assert again.table.frame.equals(first.table.frame)
    assert again.adapted == first.adapted


def test_one_new_image_is_embedded_by_the_same_tower(tmp_path: Path, tiny_settings: ImageSettings) -> None:
    rows = catalogue_rows(N)
    first = run(rows, tmp_path, tiny_settings)
    rows[7]["image_bytes"] = encoded(Image.new("RGB", (9, 9), (5, 6, 7)))
    changed = run(rows, tmp_path, tiny_settings, first.table.frame)
    full = run(rows, tmp_path, tiny_settings)
    assert (changed.trained_now, changed.table.embedded, changed.table.reused) == (False, 1, N - 1)
    assert changed.encoder == first.encoder
    np.testing.assert_allclose(
        to_matrix(changed.table.frame["vector"]), to_matrix(full.table.frame["vector"]), atol=1e-5
    )


def test_a_catalogue_that_moved_on_gets_a_new_tower(tmp_path: Path, tiny_settings: ImageSettings) -> None:
    first = run(catalogue_rows(N), tmp_path, tiny_settings)
    grown = run(catalogue_rows(N + 40), tmp_path, tiny_settings, first.table.frame)
    assert grown.trained_now
    assert grown.encoder != first.encoder
    assert (grown.table.embedded, grown.table.reused) == (N + 40, 0)


def test_other_settings_get_another_tower(tmp_path: Path, tiny_settings: ImageSettings) -> None:
    first = run(catalogue_rows(N), tmp_path, tiny_settings)
    reseeded = tiny_settings.model_copy(update={"adapt": tiny_settings.adapt.model_copy(update={"seed": 1})})
    assert run(catalogue_rows(N), tmp_path, reseeded).encoder != first.encoder


def test_a_tower_that_was_half_written_is_not_used(tmp_path: Path, tiny_settings: ImageSettings) -> None:
    first = run(catalogue_rows(N), tmp_path, tiny_settings)
    assert first.encoder is not None
    whole = tmp_path / first.encoder
    whole.rename(tmp_path / f".{first.encoder}.partial")
    (tmp_path / f".{first.encoder}.partial" / "config.json").unlink()
    again = run(catalogue_rows(N), tmp_path, tiny_settings)
    assert again.trained_now
    assert again.table.frame.equals(first.table.frame)
    assert [path.name for path in tmp_path.iterdir()] == [first.encoder]


@pytest.mark.parametrize("mode", ["adapt", "none"])
def test_without_a_tower_no_item_has_an_image_vector(tmp_path: Path, tiny_settings: ImageSettings, mode: str) -> None:
    found = run(catalogue_rows(10), tmp_path, tiny_settings.model_copy(update={"mode": mode}))
    assert found.encoder is None
    assert found.table.frame["content_hash"].null_count() == 10
    assert found.table.frame["vector"].list.len().to_list() == [0] * 10


@pytest.mark.parametrize("shown", [False, True])
def test_variants_teach_what_their_pictures_show_and_noise_nothing(
    tmp_path: Path, tiny_settings: ImageSettings, shown: bool
) -> None:
    """Products in three variants: one picture, saved three times; three titles that mean nearly the same."""
    products, generator = 100, np.random.default_rng(11)
    pictures = generator.integers(0, 256, (products, 4, 4, 3), np.uint8)
    if shown:
        pictures[:] = pictures[:, :1, :1]
    said = (pictures[:, 0, 0] / 127.5 - 1) @ generator.normal(size=(3, 12))
    meaning = said if shown else generator.normal(size=(products, 12))
    variants = meaning[:, None] + 0.05 * generator.normal(size=(products, 3, 12))
    variants /= np.linalg.norm(variants, axis=2, keepdims=True)
    rows: list[dict[str, object]] = []
    for product in range(products):
        image = Image.fromarray(pictures[product]).resize((64, 64), Image.Resampling.NEAREST)
        for variant, quality in enumerate((75, 85, 95)):
            path = tmp_path / f"{product}-{variant}.jpg"
            path.write_bytes(encoded(image, "JPEG", quality=quality))
            rows.append({"item_id": 3 * product + variant, "image": path.name})
    texts = pl.DataFrame(
        [(i, f"text {i}", vector) for i, vector in enumerate(variants.reshape(-1, 12).tolist())],
        schema=vectors_schema("int64"),
        orient="row",
    )
    adapt = tiny_settings.adapt.model_copy(update={"epochs": 30, "patience": 30, "learning_rate": 1e-2})
    settings = tiny_settings.model_copy(update={"adapt": adapt, "root": str(tmp_path)})
    found = image_table(items_frame(rows).lazy(), texts, no_vectors(), tmp_path, settings, silent)
    assert found.adapted is not None
    recall = found.adapted.recall
    assert recall is not None
    assert recall.candidates == 30
    assert (recall.p_value < SIGNIFICANCE) == shown


def test_towers_of_a_growing_catalogue_hold_out_nothing_that_one_of_them_was_trained_on(
    tmp_path: Path, tiny_settings: ImageSettings
) -> None:
    trained_on: set[str] = set()
    for n in (N, N + 60, N + 150):
        encoder = run_of_many(n, tmp_path, tiny_settings)
        seen = pl.read_parquet(tmp_path / encoder / "pairs.parquet")
        assert not set(seen.filter(pl.col("part") != "train")["image_hash"]) & trained_on
        trained_on |= set(seen.filter(part="train")["image_hash"])
    assert len(list(tmp_path.iterdir())) == 3


def run_of_many(n: int, folder: Path, settings: ImageSettings) -> str:
    """Trains on items of which no two are alike."""
    texts = text_vectors(n).with_columns(pl.format("text {}", "item_id").alias("content_hash"))
    found = image_table(items_frame(catalogue_rows(n)).lazy(), texts, no_vectors(), folder, settings, silent)
    assert found.encoder is not None
    return found.encoder


def test_exchanged_weights_to_start_from_get_another_tower(
    tmp_path: Path, tiny_settings: ImageSettings, tiny_architecture: str
) -> None:
    open_clip.add_model_config(tiny_architecture)
    encoders = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch.save(open_clip.create_model(Path(tiny_architecture).stem).state_dict(), tmp_path / "start.pt")
        settings = tiny_settings.model_copy(update={"pretrained": str(tmp_path / "start.pt")})
        encoders.append(run_of_many(N, tmp_path, settings))
    assert encoders[0] != encoders[1]


def test_an_exchanged_file_changes_the_hash(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (2, 2))))
    settings = ImageSettings(root=str(tmp_path))
    items = items_frame([{"item_id": 1, "image": "a.png"}, {"item_id": 2, "image": "b.png"}, {"item_id": 3}]).lazy()
    before = image_hashes(items, settings)["image_hash"].to_list()
    assert before == image_hashes(items, settings)["image_hash"].to_list()
    (tmp_path / "a.png").write_bytes(encoded(Image.new("RGB", (9, 9))))
    after = image_hashes(items, settings)["image_hash"].to_list()
    assert after[0] != before[0]
    assert after[1:] == before[1:]
    assert after[2] is None
