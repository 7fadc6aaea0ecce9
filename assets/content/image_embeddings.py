"""Image embeddings with open_clip: of pretrained weights, or of a tower adapted to the catalogue."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import polars_hash as plh

from assets.content.decode_image import decode
from assets.content.encoders import Progress
from assets.content.incremental import Embedded, assemble, content_hash, no_vectors, to_embed
from assets.content.read_image import Source, stamp
from assets.content.settings import ImageSettings
from assets.content.split import PICTURE_HASH, TEXT_HASH
from assets.content.tower import ImageTower, load_pretrained
from assets.content.tower_store import AdaptedTower, LoadPixels, adapted_tower
from assets.content.tower_training import AdaptReport
from models.columns import CONTENT_HASH, IMAGE, IMAGE_BYTES, ITEM_ID, REASON, VECTOR
from storage.vectors import Matrix, to_series

if TYPE_CHECKING:
    from numpy.typing import NDArray

IMAGES_PER_REPORT = 2048


@dataclass(frozen=True)
class ImageEmbeddings:
    """Attributes:
    table: The embeddings.
    rejected: (item_id, reason) of images that gave no vector.
    encoder: Key of the tower that embedded; None where no image was embedded.
    adapted: The training's report in mode adapt.
    trained_now: Whether that training took place in this run.
    """

    table: Embedded
    rejected: pl.DataFrame
    encoder: str | None
    adapted: AdaptReport | None = None
    trained_now: bool = False


def image_table(
    items: pl.LazyFrame,
    texts: pl.DataFrame,
    known: pl.DataFrame,
    folder: Path,
    settings: ImageSettings,
    progress: Progress,
) -> ImageEmbeddings:
    """The image embeddings of a catalogue; only images that `known` (content_hash, vector) lacks are embedded.

    Args:
        items: The catalogue.
        texts: The text embeddings, which the tower is trained towards in mode adapt.
        known: The table as it was before.
        folder: Where adapted towers are kept.

    Raises:
        EncoderUnavailable: the tower's weights cannot be loaded.
    """
    images = image_hashes(items, settings)
    adapted = None
    if settings.mode == "adapt":
        adapted = _adapted(items, images, texts, folder, settings, progress)
        tower = adapted.tower if adapted else None
    else:
        tower = load_pretrained(settings) if settings.mode == "pretrained" else None
    if tower is None:
        bare = images.select(ITEM_ID, pl.lit(None, pl.String).alias(CONTENT_HASH))
        return ImageEmbeddings(assemble(bare, no_vectors(), no_vectors(), 0.0), _no_reasons(images), None)

    hashed = images.with_columns(content_hash(tower.key, PICTURE_HASH))
    todo = to_embed(hashed, known)
    started = time.perf_counter()
    vectors, reasons = embed_images(tower, _sources(items, todo), settings, progress)
    tried = todo.with_columns(pl.Series(REASON, reasons, pl.String), to_series(vectors, VECTOR))
    new = tried.filter(pl.col(REASON).is_null())
    rejected = hashed.join(tried.drop_nulls(REASON).select(CONTENT_HASH, REASON), on=CONTENT_HASH)
    return ImageEmbeddings(
        assemble(hashed, known, new, time.perf_counter() - started),
        rejected.select(ITEM_ID, REASON),
        tower.key,
        adapted.report if adapted else None,
        adapted.trained_now if adapted else False,
    )


def embed_images(
    tower: ImageTower, sources: Sequence[Source], settings: ImageSettings, progress: Progress
) -> tuple[Matrix, list[str | None]]:
    """Embeds `sources` in order.

    Returns:
        (n, d) float32 with rows of length 1, or of zeros where there is no usable image; and the n reasons why.
    """
    reasons: list[str | None] = []
    parts = []
    for start in range(0, len(sources), IMAGES_PER_REPORT):
        decoded = decode(sources[start : start + IMAGES_PER_REPORT], tower.fit(), settings)
        vectors = tower.embed(decoded.pixels, settings)
        rows = np.zeros((len(decoded.accepted), vectors.shape[1]), np.float32)
        rows[decoded.accepted] = vectors
        parts.append(rows)
        reasons += decoded.reasons
        progress(f"image embeddings: {len(reasons)} of {len(sources)} images")
    dims = max((part.shape[1] for part in parts), default=0)
    parts = [part if part.shape[1] else np.zeros((len(part), dims), np.float32) for part in parts]
    return np.concatenate(parts) if parts else np.empty((0, 0), np.float32), reasons


def image_hashes(items: pl.LazyFrame, settings: ImageSettings) -> pl.DataFrame:
    """Per item a hash of its image, null where it has none: of the bytes, or of the path, size and time of its file."""
    in_table = plh.col(IMAGE_BYTES).nchash.xxhash64().cast(pl.String)
    frame = items.select(ITEM_ID, IMAGE, in_table.alias(PICTURE_HASH)).collect()
    elsewhere = frame.filter(pl.col(PICTURE_HASH).is_null()).select(pl.col(IMAGE).drop_nulls().unique()).to_series()
    stamps = pl.DataFrame(
        {IMAGE: elsewhere, "stamp": [stamp(path, settings) for path in elsewhere]},
        schema={IMAGE: pl.String, "stamp": pl.String},
    )
    joined = frame.join(stamps, on=IMAGE, how="left", maintain_order="left")
    return joined.select(ITEM_ID, pl.coalesce(PICTURE_HASH, pl.col(IMAGE) + "@" + pl.col("stamp")).alias(PICTURE_HASH))


def image_text_pairs(images: pl.DataFrame, texts: pl.DataFrame, settings: ImageSettings) -> pl.DataFrame:
    """The (image, text) pairs of a catalogue that a tower can be trained on, each once.

    Args:
        images: Of `image_hashes`.
        texts: The text embeddings.

    Returns:
        `item_id`, `image_hash`, `text_hash`, the text's `vector`, and `content_hash` of the pair; sorted by it, at most
        `maximum_pairs`.
    """
    return (
        images.drop_nulls(PICTURE_HASH)
        .join(texts.drop_nulls(CONTENT_HASH).rename({CONTENT_HASH: TEXT_HASH}), on=ITEM_ID)
        .with_columns(content_hash("pair", PICTURE_HASH, TEXT_HASH))
        .sort(CONTENT_HASH, ITEM_ID)
        .unique(CONTENT_HASH, keep="first", maintain_order=True)
        .head(settings.adapt.maximum_pairs)
    )


def pixel_loader(items: pl.LazyFrame, settings: ImageSettings) -> LoadPixels:
    """Reads and decodes the images of pairs from the catalogue `items`."""

    def load_pixels(wanted: pl.DataFrame, tower: ImageTower) -> tuple[pl.DataFrame, NDArray[np.uint8]]:
        decoded = decode(_sources(items, wanted), tower.fit(), settings)
        return wanted.filter(decoded.accepted), decoded.pixels

    return load_pixels


def _adapted(
    items: pl.LazyFrame,
    images: pl.DataFrame,
    texts: pl.DataFrame,
    folder: Path,
    settings: ImageSettings,
    progress: Progress,
) -> AdaptedTower | None:
    """The tower adapted to the catalogue's pairs, or None where they are too few to train one."""
    pairs = image_text_pairs(images, texts, settings)
    if pairs.height < settings.adapt.minimum_pairs:
        progress(f"image tower: {pairs.height} (image, text) pairs are too few to train on, so no image has a vector")
        return None
    return adapted_tower(folder, pairs, pixel_loader(items, settings), settings, progress)


def _sources(items: pl.LazyFrame, wanted: pl.DataFrame) -> list[Source]:
    """The images of the items in `wanted`, in its order: bytes where the catalogue has them, else path or URI."""
    rows = items.select(ITEM_ID, IMAGE, IMAGE_BYTES).join(wanted.lazy().select(ITEM_ID), on=ITEM_ID, how="semi")
    found = wanted.select(ITEM_ID).join(rows.collect(), on=ITEM_ID, how="left", maintain_order="left")
    return [data or path for data, path in found.select(IMAGE_BYTES, IMAGE).iter_rows()]


def _no_reasons(images: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame(schema={ITEM_ID: images.schema[ITEM_ID], REASON: pl.String()})
