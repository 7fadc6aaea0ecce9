"""What more posters would teach an image tower: the line's, trained on shares of those of MovieLens-1M."""

import io
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import polars as pl
from PIL import Image
from rich.table import Table

from assets.content.image_embeddings import image_hashes, image_text_pairs, pixel_loader
from assets.content.settings import ImageSettings
from assets.content.split import Part, split
from assets.content.tower import build_trainable
from assets.content.tower_training import Pairs, adapt
from benchmarks.cold_content import movie_catalogue, movie_texts
from benchmarks.figures import Figures, Report
from models.columns import CONTENT_HASH, IMAGE, IMAGE_BYTES, ITEM_ID, VECTOR
from storage.vectors import Matrix, normalised, to_matrix, to_series

SHARES = (0.25, 0.5, 1.0)
"""Of the families that a tower may be trained on."""

Point = dict[str, float]


def run(seeds: int, data: Path | None, out: Path, smoke: bool, report: Report) -> Figures:
    """Of each share: how well towers find the texts of held-out posters, the same ones whatever the share.

    Args:
        seeds: Trainings of each share; a seed draws weights, batches and, of a smaller share, its films.
        data: Folder of MovieLens-1M with plots and posters; not needed for a smoke run, which draws some.
        out: Where text vectors are kept.
    """
    settings = ImageSettings()
    items, texts = _drawn() if smoke else _movies(data, out / "cold", report)
    parts = _parts(items, texts, settings)
    learning = settings.adapt.model_copy(update={"epochs": 1} if smoke else {})
    points: dict[float, list[Point]] = {share: [] for share in SHARES}
    for seed in range(seeds):
        seeded = settings.model_copy(update={"adapt": learning.model_copy(update={"seed": seed})})
        for share in SHARES:
            points[share].append(_point(parts, share, seeded, report))
    figures: Figures = {f"{share:.0%}": _summary(of) for share, of in points.items()}
    figures |= {"held_out": len(parts["holdout"]), "chance_recall@1": 1 / len(parts["holdout"])}
    report(_table(figures))
    return figures


def _movies(data: Path | None, kept: Path, report: Report) -> tuple[pl.DataFrame, pl.DataFrame]:
    if data is None:
        raise FileNotFoundError("the folder of MovieLens-1M is not known: give --data or set GENREC_ML1M")
    items = movie_catalogue(data)
    if not items[IMAGE_BYTES].is_not_null().any():
        raise FileNotFoundError(f"{data} lacks posters.parquet, and without posters there is nothing to learn from")
    return items, movie_texts(items, kept, report)


def _parts(items: pl.DataFrame, texts: pl.DataFrame, settings: ImageSettings) -> dict[Part, Pairs]:
    """The pairs of the catalogue, split as the line splits them."""
    pairs = image_text_pairs(image_hashes(items.lazy(), settings), texts, settings)
    tower = build_trainable(settings, int(pairs[VECTOR].list.len()[0]), "posters")
    decoded, pixels = pixel_loader(items.lazy(), settings)(pairs, tower)
    vectors = to_matrix(decoded[VECTOR])
    found = split(decoded, pixels, settings.adapt)
    return {part: Pairs(pixels[rows], vectors[rows], found.family[rows]) for part, rows in found.rows.items()}


def _point(parts: dict[Part, Pairs], share: float, settings: ImageSettings, report: Report) -> Point:
    train, held = _some(parts["train"], share, settings.adapt.seed), parts["holdout"]
    tower = build_trainable(settings, held.texts.shape[1], "posters")
    found = adapt(tower, {**parts, "train": train}, settings, report)
    assert found.recall, "a tenth of the catalogue is held out"
    return {
        "pairs": len(train),
        "validation_loss": found.epochs[found.kept - 1].validation_loss,
        "recall@1": found.recall.at_1,
        "recall@10": found.recall.at_10,
        "behind": _share_behind(tower.embed(held.pixels, settings), held.texts),
    }


def _some(train: Pairs, share: float, seed: int) -> Pairs:
    """The pairs of a share of the families, drawn at random."""
    families = np.unique(train.family)
    drawn = np.random.default_rng(seed).permutation(families)[: round(share * len(families))]
    rows = np.isin(train.family, drawn)
    return Pairs(train.pixels[rows], train.texts[rows], train.family[rows])


def _share_behind(images: Matrix, texts: Matrix) -> float:
    """Mean share of the other texts that an image's own is ahead of: a half by chance."""
    scores = images @ texts.T
    behind = (scores < np.diag(scores)[:, None]).sum(axis=1)
    return float(behind.mean() / (len(texts) - 1))


def _summary(points: Sequence[Point]) -> Figures:
    """The mean of each figure, and its sample standard deviation over seeds."""
    columns = {name: [point[name] for point in points] for name in points[0]}
    deviations = {name: stdev(values) for name, values in columns.items()} if len(points) > 1 else None
    return {**{name: fmean(values) for name, values in columns.items()}, "sd": deviations}


def _table(figures: Figures) -> Table:
    names = ("pairs", "validation_loss", "recall@1", "recall@10", "behind")
    table = Table("posters", *names, title=f"Image tower on MovieLens-1M, {figures['held_out']} films held out")
    for share, found in figures.items():
        if isinstance(found, dict):
            table.add_row(share, *(f"{found[name]:.4g}" for name in names))
    return table


def _drawn() -> tuple[pl.DataFrame, pl.DataFrame]:
    """A catalogue of pictures of noise, with texts that mean nothing."""
    draws, n = np.random.default_rng(0), 120
    pictures = []
    for _ in range(n):
        image = Image.fromarray(draws.integers(0, 256, (16, 16, 3), np.uint8))
        image.save(buffer := io.BytesIO(), "PNG")
        pictures.append(buffer.getvalue())
    ids = pl.DataFrame({ITEM_ID: range(n)})
    items = ids.with_columns(pl.lit(None, pl.String).alias(IMAGE), pl.Series(IMAGE_BYTES, pictures))
    vectors = to_series(normalised(draws.standard_normal((n, 8)).astype(np.float32)), VECTOR)
    return items, ids.with_columns(pl.format("text {}", ITEM_ID).alias(CONTENT_HASH), vectors)
