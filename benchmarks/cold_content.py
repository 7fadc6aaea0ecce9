"""What is known of MovieLens-1M's movies beside their ratings, a modality each, made by the line's own encoders."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from assets.content.image_embeddings import image_table
from assets.content.incremental import no_vectors
from assets.content.number_embeddings import number_table
from assets.content.settings import ImageSettings, TextSettings
from assets.content.tag_embeddings import CATEGORIES_WIDTH, TAGS_WIDTH, tag_table
from assets.content.text_embeddings import text_table
from assets.items.clean import clean_items
from assets.sources.movielens import MovieLens, MovieLensSettings
from assets.validation.settings import QualitySettings
from benchmarks.figures import Report
from models.columns import CATEGORIES, ITEM_ID, TAGS, VECTOR
from storage.literal_paths import read_parquet
from storage.vectors import normalised, to_series

SOME_DAY = date(2000, 1, 1)
TEXT, IMAGES = "text.parquet", "image.parquet"


@dataclass(frozen=True)
class Content:
    """Of items 1..n.

    Modalities are those of the line: `text` (title, genres, plot, abstract of the film's article), `image` (poster),
    `categories` (genres), `tags` (rating, director, writers, actors) and `numbers` (the year). Plots, abstracts and
    tags are there where the folder has an items.parquet.

    Attributes:
        vectors: Modality to (n + 1, d) float32, rows of length 1, or zero where an item has none.
        categories: Of each item 1..n.
    """

    vectors: Mapping[str, np.ndarray]
    categories: list[list[str]]


def read_content(folder: Path, item_ids: np.ndarray, kept: Path, report: Report) -> Content:
    """The content of the items `item_ids` (n,).

    Args:
        folder: That of MovieLens-1M.
        kept: Where vectors and the image tower are kept, so that a second run does not make them again.
    """
    items = movie_catalogue(folder)
    kept.mkdir(parents=True, exist_ok=True)
    image = kept / IMAGES
    texts = movie_texts(items, kept, report)
    if not image.exists():
        settings, towers = ImageSettings(), kept / "image_towers"
        towers.mkdir(exist_ok=True)
        table = image_table(items.lazy(), texts, no_vectors(), towers, settings, report)
        recall = table.adapted.recall if table.adapted else None
        if recall:
            report(f"image tower: recall@1 {recall.at_1:.3f} among {recall.candidates}")
        table.table.frame.write_parquet(image)
    asked = pl.DataFrame({ITEM_ID: item_ids})
    tables = {
        "text": texts,
        "image": read_parquet(image),
        "categories": tag_table(items.lazy(), CATEGORIES, CATEGORIES_WIDTH).frame,
        "tags": tag_table(items.lazy(), TAGS, TAGS_WIDTH).frame,
        "numbers": number_table(items.lazy()).frame,
    }
    categories = asked.join(items, on=ITEM_ID, how="left", maintain_order="left")[CATEGORIES]
    return Content({name: _rows(asked, table) for name, table in tables.items()}, categories.fill_null([]).to_list())


def imitate_vectors(kept: Path, item_ids: np.ndarray) -> None:
    """Puts vectors drawn at random where `read_content` keeps those of texts and images, so that it makes none."""
    draws = np.random.default_rng(0)
    for name in (TEXT, IMAGES):
        vectors = to_series(normalised(draws.standard_normal((len(item_ids), 8)).astype(np.float32)), VECTOR)
        pl.DataFrame({ITEM_ID: item_ids}).with_columns(vectors).write_parquet(kept / name)


def movie_catalogue(folder: Path) -> pl.DataFrame:
    """The line's table of items, of the movies in `folder`."""
    source = MovieLens(MovieLensSettings(kind="movielens", path=str(folder)), SOME_DAY)
    raw = source.read("items", source.land("items", [SOME_DAY]), [SOME_DAY])
    return clean_items(raw, QualitySettings(), "int64", [SOME_DAY]).accepted


def movie_texts(items: pl.DataFrame, kept: Path, report: Report) -> pl.DataFrame:
    """The text embeddings of `items`: those kept in the folder `kept`, or made and kept there."""
    if not (kept / TEXT).exists():
        kept.mkdir(parents=True, exist_ok=True)
        text_table(items.lazy(), no_vectors(), TextSettings(), report).frame.write_parquet(kept / TEXT)
    return read_parquet(kept / TEXT)


def _rows(asked: pl.DataFrame, table: pl.DataFrame) -> np.ndarray:
    """(n + 1, d) vectors of the items asked for."""
    width = int(table[VECTOR].list.len().max() or 0)  # type: ignore[arg-type]
    found = asked.join(table, on=ITEM_ID, how="left", maintain_order="left")[VECTOR]
    vectors = np.zeros((len(found) + 1, width), np.float32)
    for row, vector in enumerate(found.to_list(), 1):
        if vector is not None:
            vectors[row] = vector
    return vectors
