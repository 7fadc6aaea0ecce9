"""Items that training has never seen: MovieLens-1M with a fifth of its movies strictly cold, by ColdRec's split.

The model is the line's: family `hstu`, its item tower, its training loop. A random split knows no order, and its
targets are sets: so each user's training items are read in an order drawn at random, some orders each, and what comes
next is one of the rest. Settings were chosen on the validation half of cold and warm; the test half decided nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory

import numpy as np
import polars as pl
import torch
from rich.table import Table
from torch import Tensor

from assets.sources.movielens import RATINGS, read_ratings
from benchmarks import movielens
from benchmarks.cold_content import Content, imitate_vectors, read_content
from benchmarks.cold_ranking import NDCG, RECALL, Log, Reading, Scores, read
from benchmarks.cold_rivals import category_popularity, content_neighbours
from benchmarks.cold_split import split
from benchmarks.figures import Figures, Report
from models.batch import request_batch
from models.columns import ITEM_ID, ITEM_INDEX, TIMESTAMP, USER_ID
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ItemTowerConfig, ModelConfig
from models.config.training import TrainingConfig
from models.families.registry import build
from models.interactions import Interactions
from models.popularity import PopularityOverTime
from models.recommender import Recommender
from models.strict import Strict
from models.training.loop import EpochReport, Worker, fit

PUBLISHED = {
    "LightGCN": (0.0177, 0.0190),
    "DropoutNet": (0.0340, 0.0373),
    "CLCRec": (0.0677, 0.0816),
    "ALDI": (0.1229, 0.1295),
    "LLM-InS": (0.1759, 0.1762),
    "LLM-InS, its table 3": (0.1563, 0.1566),
}
"""Recall@20 and NDCG@20 on cold items, LLM-InS paper, table 1."""

MASKING = {"off": 0.0, "matched": None, "half": 0.5}
"""Share of labels and of negatives whose ID is hidden; matched: the share of items that are cold."""


@dataclass(frozen=True)
class Variant:
    """What a model knows of the items, and how often it has to do without their IDs.

    Attributes:
        modalities: Of `benchmarks.cold_content`.
        masking: Of `MASKING`.
        all_seeds: Whether a claim hangs on it; else the first seed is enough.
    """

    modalities: tuple[str, ...]
    masking: str = "matched"
    all_seeds: bool = False

    @property
    def name(self) -> str:
        content = "all modalities" if self.modalities == EVERYTHING else "+".join(self.modalities) or "none"
        return content if self.masking == "matched" else f"{content}, masking {self.masking}"


HEADLINE = ("text", "image")
EVERYTHING = ("text", "image", "categories", "tags", "numbers")
VARIANTS = (
    Variant(EVERYTHING, all_seeds=True),
    Variant(EVERYTHING, "off", all_seeds=True),
    Variant(HEADLINE, all_seeds=True),
    Variant(HEADLINE, "off", all_seeds=True),
    Variant(("text",), all_seeds=True),
    Variant(("image",), all_seeds=True),
    Variant(HEADLINE, "half"),
    Variant((), "off"),
)


class Recipe(Strict):
    """Model and training; the items of each user are learned from in so many `orders`."""

    width: int = 64
    max_length: int = 100
    layers: int = 2
    orders: int = 2
    training: TrainingConfig = TrainingConfig(
        epochs=4,
        batch_size=64,
        learning_rate=2e-3,
        schedule="cosine",
        warmup=0.05,
        weight_decay=0.1,
        loss=SampledSoftmaxConfig(negatives=512, shared=True),
    )


SMALL = Recipe(width=8, max_length=12, layers=1, training=TrainingConfig(epochs=2, batch_size=16))


def run(seeds: int, data: Path | None, out: Path, smoke: bool, report: Report) -> Figures:
    """The figures of every variant: the mean over seeds 0.., and their sample `sd`; of some the first seed alone.

    Args:
        data: Folder of MovieLens-1M with plots and posters; not needed for a smoke run, which imitates one.
        out: Where runs are kept; one that is there already is not done again.
    """
    recipe = SMALL if smoke else Recipe()
    with TemporaryDirectory() as imitation:
        folder = movielens.write_imitation(Path(imitation), users=60, movies=80) if smoke else _there(data)
        kept = Path(imitation) if smoke else out / "cold"
        log = read_log(folder)
        if smoke:
            imitate_vectors(kept, log.item_ids)
        content = read_content(folder, log.item_ids, kept, report)
        rivals = _rivals(log, content)
        readings: dict[str, list[Reading]] = {variant.name: [] for variant in VARIANTS}
        for seed in range(seeds):
            for variant in VARIANTS:
                if variant.all_seeds or not seed:
                    reading = _reading(variant, recipe, seed, log, content, kept, report)
                    readings[variant.name].append(reading)
    figures = _figures(rivals, readings)
    report(_table(figures))
    return figures


def _there(data: Path | None) -> Path:
    if data is None:
        raise FileNotFoundError("the folder of MovieLens-1M is not known: give --data or set GENREC_ML1M")
    return data


def read_log(folder: Path) -> Log:
    """The ratings in `folder`, whatever their stars, split."""
    files = [folder / name for name in RATINGS if (folder / name).is_file()]
    if not files:
        raise FileNotFoundError(f"{folder} lacks ratings.dat: unpack MovieLens-1M there")
    ratings = read_ratings(files[0])
    users = ratings[USER_ID].rank("dense").cast(pl.Int64).to_numpy() - 1
    items = ratings[ITEM_ID].rank("dense").cast(pl.Int64).to_numpy()
    ids = ratings[ITEM_ID].unique().sort().to_numpy()
    return Log(users, items, ids, split(users, items))


def _rivals(log: Log, content: Content) -> dict[str, Reading]:
    found = {"popularity of category": read(category_popularity(log, content.categories), log, "test")}
    for name in HEADLINE:
        if content.vectors[name].shape[1]:
            found[f"content-kNN, {name}"] = read(content_neighbours(log, content.vectors[name]), log, "test")
    return found


def _reading(
    variant: Variant, recipe: Recipe, seed: int, log: Log, content: Content, folder: Path, report: Report
) -> Reading:
    """The test reading of one run."""
    file = folder / f"{variant.name} {_short(recipe)} seed {seed}.json"
    if file.exists():
        kept: dict[str, Reading] = json.loads(file.read_text())
        return kept["test"]
    model, histories = trained(variant, recipe, seed, log, content, report)
    found = {part: read(scores(model, histories), log, part) for part in ("validation", "test")}
    cold, warm = (found["validation"][name] for name in ("cold", "warm"))
    report(f"{variant.name}, seed {seed}: validation cold {cold[RECALL]:.4f}, warm {warm[RECALL]:.4f} ({RECALL})")
    file.write_text(json.dumps(found))
    return found["test"]


def _short(recipe: Recipe) -> str:
    training = recipe.training
    return f"{recipe.width}x{recipe.layers} {recipe.max_length} {recipe.orders} {training.epochs}"


def trained(
    variant: Variant, recipe: Recipe, seed: int, log: Log, content: Content, report: Report
) -> tuple[Recommender, Interactions]:
    """The model, and the histories that it is asked with: all training items of each user, in an order at random."""
    draws = np.random.default_rng(seed)
    rows, items = log.parts.training, len(log.item_ids)
    *learned, asked = (shuffled(log, rows, draws) for _ in range(recipe.orders + 1))
    vectors = [content.vectors[name] for name in variant.modalities]
    table = torch.from_numpy(np.concatenate(vectors, axis=1)) if vectors else None
    cold = MASKING[variant.masking]
    share = float(log.is_cold[1:].mean()) if cold is None else cold
    loss = recipe.training.loss.model_copy(update={"cold_negatives": share, "label_masking": share})
    training = recipe.training.model_copy(update={"seed": seed, "loss": loss})
    config = ModelConfig(
        width=recipe.width,
        max_length=recipe.max_length,
        popularity=True,
        items=ItemTowerConfig(content_dim=0 if table is None else table.shape[1]),
        backbone=HstuConfig(layers=recipe.layers, heads=1, head_dim=recipe.width),
    )
    torch.manual_seed(seed)
    warm = torch.from_numpy(np.flatnonzero(~log.is_cold)[1:])
    model: Recommender = build(config, items, warm, table, PopularityOverTime.of(asked, items, 1, 1.0))

    def on_epoch(done: EpochReport, task: object, optimizer: object) -> None:
        report(f"{variant.name}, seed {seed}, epoch {done.epoch}/{done.epochs}: loss {done.loss:.4f}")

    fit(model, Interactions.concatenated(learned), training, Worker(), on_epoch)
    return model, asked


def shuffled(log: Log, rows: np.ndarray, draws: np.random.Generator) -> Interactions:
    """The items of each user in an order at random, all at once: the split leaves no order to learn from."""
    rows = rows[np.lexsort((draws.random(len(rows)), log.users[rows]))]
    lengths = np.bincount(log.users[rows], minlength=log.user_count)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return Interactions(offsets, {ITEM_INDEX: log.items[rows], TIMESTAMP: np.zeros(len(rows), np.int64)})


def scores(model: Recommender, histories: Interactions) -> Scores:
    """What the model says at the end of the `histories`."""
    model.eval()
    vectors = model.retrieval_vectors(len(model.items.places) - 1)

    @torch.inference_mode()
    def of(users: np.ndarray) -> Tensor:
        batch = request_batch(histories.take(users), np.zeros(len(users), np.int64), model.config.max_length)
        found: Tensor = model.queries(batch) @ vectors.T
        return found

    return of


def _figures(rivals: Mapping[str, Reading], readings: Mapping[str, Sequence[Reading]]) -> Figures:
    unmasked = {
        variant.modalities: fmean(reading["warm"][RECALL] for reading in readings[variant.name])
        for variant in VARIANTS
        if variant.masking == "off"
    }
    without = {variant.name: unmasked.get(variant.modalities) for variant in VARIANTS}
    found: Figures = {name: _of(reading) for name, reading in rivals.items()}
    for name, some in readings.items():
        figures = [_of(reading) for reading in some]
        found[name] = {key: fmean(one[key] for one in figures) for key in figures[0]}
        if whole := without[name]:
            found[name]["warm_loss"] = 1 - found[name][f"warm {RECALL}"] / whole
        found[name]["sd"] = {key: stdev(one[key] for one in figures) for key in figures[0]} if len(some) > 1 else None
    return found


def _of(reading: Reading) -> dict[str, float]:
    """The cold figures under their own names, the others under that of their part."""
    told = {name: value for name, value in reading["cold"].items()}
    return told | {f"{part} {name}": reading[part][name] for part in ("warm", "overall") for name in reading[part]}


def _table(figures: Figures) -> Table:
    columns = (RECALL, NDCG, f"warm {RECALL}", f"warm {NDCG}", f"overall {RECALL}", f"overall {NDCG}", "warm_loss")
    table = Table("", *columns, title="MovieLens-1M, one in five items strictly cold")
    for name, (recall, ndcg) in PUBLISHED.items():
        table.add_row(name, f"{recall:.4f}", f"{ndcg:.4f}")
    for name, values in figures.items():
        table.add_row(name, *[_cell(values, column) for column in columns])
    return table


def _cell(values: Figures, column: str) -> str:
    if column not in values:
        return ""
    sd = (values.get("sd") or {}).get(column)
    return f"{values[column]:.4f}" + ("" if sd is None else f" ± {sd:.4f}")
