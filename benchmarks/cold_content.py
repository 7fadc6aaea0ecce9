"""What is known of MovieLens-1M's movies beside their ratings, a modality each, made by the line's own encoders."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import torch

from assets.content.image_embeddings import image_table
from assets.content.incremental import no_vectors
from assets.content.settings import ImageSettings, TextSettings
from assets.content.text_embeddings import text_table
from assets.content.vectors import normalised, to_series
from assets.sources.movielens import MovieLens, MovieLensSettings
from benchmarks.figures import Report
from models.columns import CATEGORIES, DESCRIPTION, IMAGE, ITEM_ID, TITLE, VECTOR
from storage.literal_paths import read_parquet

EXTRAS = "items.parquet"
SOME_DAY = date(2000, 1, 1)
STEPS = 12
TEXT, ABSTRACTS, IMAGES = "text.parquet", "abstract.parquet", "image.parquet"
DIRECTIONS = 128
"""Of thousands of names, what is kept are the directions in which items differ most."""

CREDITS = {"mpaa": None, "director": ",", "writer": ",", "actors": ","}
"""Columns of items.parquet, and what parts the names in them."""

YEAR = r"\((\d{4})\)\s*$"
"""Titles of MovieLens end with it."""


@dataclass(frozen=True)
class Content:
    """Of items 1..n.

    Modalities are `text` (title, genres, plot) and `abstract` (of the film's article) as MiniLM embeds them, `image`
    (the poster), `categories` (genres), `credits` (rating, director, writers, actors) and `year`. Abstracts and credits
    are empty where the folder has no items.parquet.

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
    items = _catalogue(folder)
    kept.mkdir(parents=True, exist_ok=True)
    text, abstract, image = kept / TEXT, kept / ABSTRACTS, kept / IMAGES
    if not text.exists():
        text_table(items.lazy(), no_vectors(), TextSettings(), report).frame.write_parquet(text)
    if not abstract.exists():
        text_table(_abstracts(folder, items).lazy(), no_vectors(), TextSettings(), report).frame.write_parquet(abstract)
    if not image.exists():
        settings, towers = ImageSettings(), kept / "image_towers"
        towers.mkdir(exist_ok=True)
        table = image_table(items.lazy(), read_parquet(text), no_vectors(), towers, settings, report)
        recall = table.adapted.recall if table.adapted else None
        if recall:
            report(f"image tower: recall@1 {recall.at_1:.3f} among {recall.candidates}")
        table.table.frame.write_parquet(image)
    asked = pl.DataFrame({ITEM_ID: item_ids})
    described = asked.join(items, on=ITEM_ID, how="left", maintain_order="left")
    categories = described[CATEGORIES].fill_null([]).to_list()
    made = {"text": text, "abstract": abstract, "image": image}
    vectors = {name: _rows(asked, read_parquet(path)) for name, path in made.items()}
    vectors["categories"] = _tags(categories)
    vectors["credits"] = _main_directions(_tags(_credits(folder, asked)))
    vectors["year"] = _steps(described[TITLE].str.extract(YEAR).cast(pl.Float32).to_numpy())
    return Content(vectors, categories)


def imitate_vectors(kept: Path, item_ids: np.ndarray) -> None:
    """Puts vectors drawn at random where `read_content` keeps those of texts and images, so that it makes none."""
    draws = np.random.default_rng(0)
    for name in (TEXT, ABSTRACTS, IMAGES):
        vectors = to_series(normalised(draws.standard_normal((len(item_ids), 8)).astype(np.float32)), VECTOR)
        pl.DataFrame({ITEM_ID: item_ids}).with_columns(vectors).write_parquet(kept / name)


def _catalogue(folder: Path) -> pl.DataFrame:
    source = MovieLens(MovieLensSettings(kind="movielens", path=str(folder)), SOME_DAY)
    rows = pl.concat(source.read("items", source.land("items", [SOME_DAY]), [SOME_DAY])).collect()
    missing = [pl.lit(None, pl.String).alias(IMAGE)]
    missing += [] if "image_bytes" in rows.columns else [pl.lit(None, pl.Binary).alias("image_bytes")]
    return rows.with_columns(missing)


def _abstracts(folder: Path, items: pl.DataFrame) -> pl.DataFrame:
    """The `items` with nothing to read but the abstract of each."""
    nothing = [pl.lit(None, pl.String).alias(TITLE), pl.lit(None, pl.List(pl.String)).alias(CATEGORIES)]
    described = items.drop(DESCRIPTION).join(_extras(folder), on=ITEM_ID, how="left", maintain_order="left")
    return described.with_columns(pl.col("dbpedia_abstract").alias(DESCRIPTION), *nothing)


def _extras(folder: Path) -> pl.DataFrame:
    """`item_id`, abstract and credits of each movie; of none where the folder lacks them."""
    columns = ("dbpedia_abstract", *CREDITS)
    if not (folder / EXTRAS).exists():
        return pl.DataFrame(schema={ITEM_ID: pl.Int64, **dict.fromkeys(columns, pl.String)})
    return read_parquet(folder / EXTRAS).select(pl.col("movie_id").cast(pl.Int64).alias(ITEM_ID), *columns)


def _credits(folder: Path, asked: pl.DataFrame) -> list[list[str]]:
    """Of each item asked for its names, each with its column, and of writers without what they wrote."""
    rows = asked.join(_extras(folder), on=ITEM_ID, how="left", maintain_order="left")
    found: list[list[str]] = []
    for row in rows.iter_rows(named=True):
        names = {
            f"{column}: {name.partition('(')[0].strip()}"
            for column, parted in CREDITS.items()
            for name in (row[column] or "").split(parted)
        }
        found.append(sorted(name for name in names if not name.endswith(": ")))
    return found


def _rows(asked: pl.DataFrame, table: pl.DataFrame) -> np.ndarray:
    """(n + 1, d) vectors of the items asked for."""
    width = int(table[VECTOR].list.len().max() or 0)  # type: ignore[arg-type]
    found = asked.join(table, on=ITEM_ID, how="left", maintain_order="left")[VECTOR]
    vectors = np.zeros((len(found) + 1, width), np.float32)
    for row, vector in enumerate(found.to_list(), 1):
        if vector is not None:
            vectors[row] = vector
    return vectors


def _tags(tags: list[list[str]]) -> np.ndarray:
    """(n + 1, tags) float32: which tags an item has, at length 1; a tag of a single item tells of no other."""
    counts = Counter(name for some in tags for name in some)
    place = {name: column for column, name in enumerate(sorted(name for name in counts if counts[name] > 1))}
    member = np.zeros((len(tags) + 1, len(place)), np.float32)
    for item, some in enumerate(tags, 1):
        member[item, [place[name] for name in some if name in place]] = 1
    return normalised(member)


def _main_directions(vectors: np.ndarray) -> np.ndarray:
    """(n + 1, at most DIRECTIONS) float32 the vectors in their main directions, at length 1."""
    if vectors.shape[1] <= DIRECTIONS:
        return vectors
    with torch.random.fork_rng():
        torch.manual_seed(0)
        _, _, directions = torch.svd_lowrank(torch.from_numpy(vectors), DIRECTIONS, niter=4)
    return normalised(vectors @ directions.numpy())


def _steps(numbers: np.ndarray) -> np.ndarray:
    """(n + 1, STEPS) float32: how far each number, NaN where there is none, has come through each quantile's stretch.

    So a linear projection makes a curve of the number (piecewise linear encoding, arXiv 2203.05556).
    """
    there = ~np.isnan(numbers)
    knots = np.unique(np.quantile(numbers[there], np.linspace(0, 1, STEPS + 1))) if there.any() else np.zeros(1)
    found = np.zeros((len(numbers) + 1, len(knots) - 1), np.float32)
    found[1:][there] = np.clip((numbers[there, None] - knots[:-1]) / np.diff(knots), 0, 1)
    return found / np.float32(max(len(knots) - 1, 1) ** 0.5)
