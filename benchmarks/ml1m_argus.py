"""ARGUS on MovieLens-1M, ratings as feedback: what a greater encoder tells, and what telling the rating is worth.

Every model learns from all ratings of every user but the last, and is asked about that one: which film it is, among all
of `movies.dat` by Meta's protocol (`benchmarks.leave_one_out`), and which rating it gets. Ratings of one second follow
each other in the order of the file, as the protocol reads them.

- By size: encoders of one depth and several widths that learn both, all else being equal.
- By loss: one of these sizes that learns both, the film alone and the rating alone, from several seeds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks import movielens
from benchmarks.figures import Figures, Report
from benchmarks.leave_one_out import places
from benchmarks.movielens import HeldOut, Ratings
from benchmarks.plots import draw_entropies
from benchmarks.training_run import fingerprint
from models.argus.config import ArgusConfig, ColumnConfig, FactorConfig
from models.argus.examples import ArgusExamples
from models.argus.model import Argus
from models.argus.predictions import parts_of, predict
from models.columns import STARTED, TIMESTAMP, VALUE
from models.config.losses import InteractionLossConfig
from models.config.training import TrainingConfig
from models.evaluation.intervals import bootstrap
from models.evaluation.metrics import per_user
from models.evaluation.normalised_entropy import feedback_losses, ratio_over_users
from models.interactions import Interactions
from models.objectives.next_item_question import NextItemQuestion
from models.strict import Strict
from models.training.loop import EpochReport, fit

LAYERS, WIDTHS, WIDTH = 2, (8, 16, 32, 64), 64
"""Encoders by size; the losses are compared at `WIDTH`."""

BOTH, FILM = COMPARED = ("both", "next_item")
"""Those whose difference is asked for, from several seeds."""

RATING = "rating"
LEARNED: dict[str, dict[str, Any]] = {BOTH: {}, FILM: {"factors": ()}, RATING: {"next_item": False}}
"""What a model learns, as fields of its configuration. All of them read the ratings of the history."""

STARS = (1.5, 2.5, 3.5, 4.5)
RESAMPLES = 1000
METRICS = ("ndcg@10", "hr@10")


class ArgusRecipe(Strict):
    """One model and its training."""

    model: ArgusConfig
    training: TrainingConfig


@dataclass(frozen=True)
class Told:
    """What a trained model says of the last rating of B users.

    Attributes:
        ranks: (B,) of the film; empty where the model does not tell it.
        next_item, next_users: (P,) loss of the film among sampled ones, and whose it is: of films that were learned.
        unigram: (P,) the loss of who knows but how often each film occurs, against the same ones.
        rating: (B,) loss of the rating; empty where the model does not tell it.
        frequencies: (B,) the loss of who knows but how often each rating occurs.
        parameters: () of the encoder.
        seconds: () of training.
    """

    ranks: np.ndarray
    next_item: np.ndarray
    next_users: np.ndarray
    unigram: np.ndarray
    rating: np.ndarray
    frequencies: np.ndarray
    parameters: np.ndarray
    seconds: np.ndarray

    def values(self, metric: str) -> np.ndarray:
        """(B,) of each user."""
        return per_user(self.ranks, np.arange(len(self.ranks) + 1), [10])[metric]


def run(
    seeds: int, epochs: int | None, data: Path | None, out: Path, picture: Path | None, smoke: bool, report: Report
) -> Figures:
    """NE of film and rating by size, and by what is learned the means over seeds with their `sd`.

    Args:
        seeds: Of both losses and of the film's alone; all else is of the first.
        epochs: In place of the recipe's.
        data: Folder of MovieLens-1M; not needed for a smoke run, which imitates one.
        out: Where runs are kept; one that is there already is not done again.
        picture: A PNG file for NE by parameters.
    """
    with TemporaryDirectory() as imitation:
        ratings = movielens.read(movielens.write_imitation(Path(imitation)) if smoke else data)
        folder = Path(imitation) if smoke else out / "ml1m-argus"
        ratings = in_the_order_of_the_file(ratings)
        widths, width = ((8, 16), 16) if smoke else (WIDTHS, WIDTH)

        def told(width: int, learned: str, seed: int) -> Told:
            recipe = _recipe(width, learned, epochs, smoke)
            return _told(recipe, f"width {width}, {learned}", seed, ratings, folder, report)

        by_loss = {learned: [told(width, learned, seed) for seed in range(seeds)] for learned in COMPARED}
        by_size = [told(width, BOTH, 0) for width in widths]
        by_loss[RATING] = [told(width, RATING, 0)]
    if picture:
        draw_entropies(_curves(by_size), "MovieLens-1M, the last rating of every user", picture)
    figures = {
        "epochs": _recipe(width, BOTH, epochs, smoke).training.epochs,
        "sizes": [_figures_of(told) for told in by_size],
        "steps": [_change(*pair) for pair in pairwise(by_size)],
        **{learned: _over_seeds(some) for learned, some in by_loss.items()},
        "both_minus_next_item": {metric: _paired(by_loss, metric) for metric in METRICS},
    }
    report(_sizes_table(figures))
    report(_losses_table(figures))
    return figures


def in_the_order_of_the_file(ratings: Ratings) -> Ratings:
    """With times that ascend within a user: a rating comes a millisecond at least after the one before."""
    histories = ratings.histories
    place = np.arange(len(histories.timestamps)) - np.repeat(histories.offsets[:-1], histories.lengths)
    owner = np.repeat(np.arange(len(histories)), histories.lengths)
    # A running maximum of time less place, within each user: users are set apart by more than any time.
    apart = int(histories.timestamps.max(initial=0)) + 1
    times = np.maximum.accumulate(histories.timestamps - place + owner * apart) - owner * apart + place
    return Ratings(histories.with_columns({TIMESTAMP: times, STARTED: times}), ratings.items)


def _recipe(width: int, learned: str, epochs: int | None, smoke: bool) -> ArgusRecipe:
    model: dict[str, Any] = {
        "width": width,
        "max_length": 12 if smoke else 200,
        "output_width": 8 if smoke else 64,
        "hidden": 16 if smoke else 128,
        "backbone": {"name": "transformer", "layers": LAYERS, "heads": 2, "dropout": 0.1},
        "embedding": {"rows": 1 << 15, "dim": 4 if smoke else 16},
        "id_masking": 0.0,
        "columns": (ColumnConfig(name=VALUE, role="feedback", edges=STARS),),
        "factors": (FactorConfig(name="rating", column=VALUE, edges=STARS),),
    }
    training = TrainingConfig(
        epochs=epochs or (2 if smoke else 4),
        batch_size=16,
        learning_rate=0.002,
        schedule="cosine",
        warmup=0.05,
        clip_norm=1.0,
        weight_decay=0.01,
        interactions=InteractionLossConfig(in_batch=256, uniform=256),
    )
    return ArgusRecipe(model=ArgusConfig.model_validate(model | LEARNED[learned]), training=training)


def _told(recipe: ArgusRecipe, name: str, seed: int, ratings: Ratings, out: Path, report: Report) -> Told:
    """Of a model that is trained from `seed`, or of an earlier run."""
    held_out = movielens.hold_out(ratings, 1)
    path = out / f"{fingerprint(recipe, held_out)}-seed-{seed}.npz"
    if not path.is_file():
        found = _asked(*_trained(recipe, name, seed, held_out, report), ratings.histories, held_out)
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial.npz")
        np.savez(partial, **{field.name: getattr(found, field.name) for field in fields(found)})
        partial.replace(path)
    with np.load(path) as kept:
        return Told(**kept)


def _trained(recipe: ArgusRecipe, name: str, seed: int, held_out: HeldOut, report: Report) -> tuple[Argus, float]:
    """The model, and the seconds that it took."""

    def on_epoch(done: EpochReport, task: object, optimizer: object) -> None:
        losses = ", ".join(f"{loss} {value:.4f}" for loss, value in done.losses.items())
        speed = done.tokens / done.seconds
        report(f"{name}, seed {seed}, epoch {done.epoch}/{done.epochs}: {losses}, {speed:,.0f} ratings/s")

    torch.manual_seed(seed)
    model = Argus(recipe.model, held_out.items, torch.from_numpy(np.unique(held_out.histories.item_index)))
    started = perf_counter()
    fit(model, held_out.histories, recipe.training.model_copy(update={"seed": seed}), on_epoch=on_epoch)
    return model.eval(), perf_counter() - started


def _asked(model: Argus, seconds: float, every: Interactions, held_out: HeldOut) -> Told:
    """What the model says of the last rating of every user, from the `max_length` before."""
    last = np.zeros(len(every.timestamps), bool)
    last[every.offsets[1:] - 1] = True
    examples = ArgusExamples(every, model.config, last, frozen=every.lengths - 1)
    counts = np.bincount(held_out.histories.item_index, minlength=held_out.items + 1)
    said = predict(model, examples, question=NextItemQuestion(InteractionLossConfig(), counts, "cpu"))
    _, rating, frequencies = feedback_losses(said, 0) if model.config.factors else (None, np.empty(0), np.empty(0))
    parameters = np.array(sum(weights.numel() for weights in model.layers.parameters()))
    ranks = _ranks(model, examples) if model.next_item is not None else np.empty(0, np.int64)
    chosen = (said.next_item, said.next_users, said.unigram)
    return Told(ranks, *chosen, rating, frequencies, parameters, np.array(seconds))


@torch.inference_mode()
def _ranks(model: Argus, examples: ArgusExamples) -> np.ndarray:
    """(B,) the rank of each film that is asked about, among all."""
    assert model.next_item is not None
    every = torch.arange(model.items.count + 1)
    vectors = model.next_item.targets(model.items(every), every, ~model.items.has_id)
    found = []
    for part in parts_of(examples):
        batch = examples.batch(part)
        view = model.view(batch, None)
        rows = torch.repeat_interleave(torch.arange(len(part)), batch.offsets.diff())
        found.append(places(view.queries @ vectors.T, view.next_items, rows, batch.item_index[batch.read]))
    return np.concatenate(found)


def _figures_of(told: Told) -> Figures:
    """Of one model."""
    figures: Figures = {"parameters": int(told.parameters), "minutes": float(told.seconds) / 60}
    if len(told.ranks):
        figures["next_item_ne"] = _ratio(told.next_users, told.next_item, told.unigram)
        figures |= {metric: float(told.values(metric).mean()) for metric in METRICS}
    if len(told.rating):
        figures["rating_ne"] = _ratio(np.arange(len(told.rating)), told.rating, told.frequencies)
    return figures


def _change(smaller: Told, greater: Told) -> Figures:
    """What the greater one's NE is above the smaller one's, on the same draws."""
    return {
        "next_item_ne": _ratio(smaller.next_users, greater.next_item - smaller.next_item, smaller.unigram),
        "rating_ne": _ratio(np.arange(len(smaller.rating)), greater.rating - smaller.rating, smaller.frequencies),
    }


def _ratio(users: np.ndarray, above: np.ndarray, below: np.ndarray) -> list[float | None]:
    measure = ratio_over_users(users, above, below, RESAMPLES, 0)
    return [None] * 3 if measure is None else [measure.mean, measure.low, measure.high]


def _over_seeds(some: Sequence[Told]) -> Figures:
    """Means over seeds, with the sample `sd` where there are several."""
    taken = [_figures_of(told) for told in some]
    figures: Figures = {"sd": {}}
    for name in sorted(set(taken[0]) - {"parameters", "minutes"}):
        values = [one[name][0] if isinstance(one[name], list) else one[name] for one in taken]
        figures[name] = fmean(values)
        figures["sd"][name] = stdev(values) if len(values) > 1 else None
    return figures


def _paired(by_loss: Mapping[str, Sequence[Told]], metric: str) -> list[float]:
    """Mean and interval over users of what both losses give more than the film's alone; users' means over the seeds."""
    both, alone = (np.mean([told.values(metric) for told in by_loss[name]], axis=0) for name in COMPARED)
    (interval,) = bootstrap((both - alone)[:, None], RESAMPLES)
    return [interval.mean, interval.low, interval.high]


def _curves(by_size: Sequence[Told]) -> dict[str, list[tuple[int, list[float | None]]]]:
    taken = [_figures_of(told) for told in by_size]
    return {name: [(one["parameters"], one[f"{name}_ne"]) for one in taken] for name in ("next_item", "rating")}


def _sizes_table(figures: Figures) -> Table:
    table = Table("parameters of the encoder", "NE, film", "NE, rating", *METRICS, "minutes", title="By size, seed 0")
    for one in figures["sizes"]:
        table.add_row(
            f"{one['parameters']:,}",
            _cell(one["next_item_ne"]),
            _cell(one["rating_ne"]),
            *(f"{one[metric]:.4f}" for metric in METRICS),
            f"{one['minutes']:.1f}",
        )
    for change in figures["steps"]:
        table.add_row("the step from the one before", _cell(change["next_item_ne"]), _cell(change["rating_ne"]))
    return table


def _losses_table(figures: Figures) -> Table:
    names = (*METRICS, "next_item_ne", "rating_ne")
    table = Table("learns", *names, title="By what is learned, mean ± sd over seeds")
    for learned in LEARNED:
        means, sd = figures[learned], figures[learned]["sd"]
        table.add_row(
            learned, *(f"{means[n]:.4f}" + (f" ± {sd[n]:.4f}" if sd[n] else "") if n in means else "" for n in names)
        )
    table.add_row("both minus next_item", *(_cell(figures["both_minus_next_item"][metric]) for metric in METRICS))
    return table


def _cell(values: Sequence[float | None]) -> str:
    mean, low, high = values
    return f"{mean:.4f} [{low:.4f}, {high:.4f}]" if mean is not None else ""
