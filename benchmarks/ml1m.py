"""Quality on MovieLens-1M by Meta's protocol (HSTU spec section 4), read honestly and as published.

One run, of the first seed, trains without the last two items of every user and is read on the second-last: its best
epoch is the number of epochs that the recipe deserves. Then one run per seed trains without the last item and is read
on the last:

- `selected`: after the number of epochs that the first run chose; the last items decided nothing.
- `published`: after the last epoch, as Meta's script ends.
- `peeking`: after the epoch that is best on the held-out items themselves, which no honest reader can know.
"""

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory

from rich.table import Table

from benchmarks import movielens
from benchmarks.figures import Figures, Report
from benchmarks.movielens import Ratings, Ties
from benchmarks.plots import draw_curves
from benchmarks.recipes import PUBLISHED, RECIPES, Recipe, small
from benchmarks.training_run import Reading, best, fingerprint, readings

HELD_OUT = {"validation": 2, "test": 1}
"""Which item, counted from the end, a run is read on; it and what follows are not trained on."""
PROTOCOLS = ("selected", "published", "peeking")
Outcome = dict[str, Reading]
"""Protocol to its reading, of one seed."""


def run(
    size: str,
    seeds: int,
    epochs: int | None,
    positions_per_draw: int | None,
    ties: Ties,
    device: str,
    data: Path | None,
    out: Path,
    picture: Path | None,
    smoke: bool,
    report: Report,
) -> Figures:
    """The figures of `size` (base or large): per protocol the mean over seeds 0.. and its sample `sd`.

    Args:
        epochs: In place of the recipe's.
        positions_per_draw: Successive positions that share their negatives, in place of the recipe's.
        ties: How ratings of one second follow each other.
        device: Where to train and to read, `cpu` or `cuda`.
        data: Folder of MovieLens-1M; not needed for a smoke run, which imitates one.
        out: Where runs are kept; a run that is there already, whole or in part, is not done again.
        picture: A PNG file for the NDCG@10 of every run by epoch.
    """
    recipe = small(RECIPES[size]) if smoke else RECIPES[size]
    recipe = _changed(recipe, epochs, positions_per_draw)
    with TemporaryDirectory() as imitation:
        ratings = movielens.read(movielens.write_imitation(Path(imitation)) if smoke else data, ties)
        folder = Path(imitation) if smoke else out / "ml1m" / f"{size}-{device}"
        validation = _readings(recipe, 0, "validation", device, ratings, folder, report)
        tests = [_readings(recipe, seed, "test", device, ratings, folder, report) for seed in range(seeds)]
    if picture:
        curves = {"second-last item, seed 0": validation, **{f"seed {seed}": taken for seed, taken in enumerate(tests)}}
        draw_curves(curves, PUBLISHED[size]["ndcg@10"], f"MovieLens-1M, {size}", picture)
    # One seed decides for all how many epochs the recipe deserves.
    chosen = best(validation).epoch
    return _figures(size, [_outcome(taken, chosen) for taken in tests], report)


def _changed(recipe: Recipe, epochs: int | None, positions_per_draw: int | None) -> Recipe:
    training = recipe.training
    if positions_per_draw:
        loss = training.loss.model_copy(update={"positions_per_draw": positions_per_draw})
        training = training.model_copy(update={"loss": loss})
    return recipe.model_copy(update={"training": training.model_copy(update={"epochs": epochs or training.epochs})})


def _outcome(taken: Sequence[Reading], epochs: int) -> Outcome:
    selected = next(reading for reading in taken if reading.epoch == epochs)
    return {"selected": selected, "published": taken[-1], "peeking": best(taken)}


def _readings(
    recipe: Recipe, seed: int, purpose: str, device: str, ratings: Ratings, out: Path, report: Report
) -> list[Reading]:
    held_out = movielens.hold_out(ratings, HELD_OUT[purpose])
    folder = out / fingerprint(recipe, held_out) / f"seed-{seed}-{purpose}"
    report(f"seed {seed}, {purpose}: {len(held_out.histories):,} users, {held_out.items:,} candidates, in {folder}")
    return readings(recipe, seed, held_out, folder, report, device)


def _figures(size: str, outcomes: Sequence[Outcome], report: Report) -> Figures:
    figures: Figures = {"size": size, "seeds": len(outcomes)}
    for protocol in PROTOCOLS:
        figures[protocol] = _over_seeds([outcome[protocol] for outcome in outcomes])
    report(_table(size, figures))
    return figures


def _over_seeds(taken: Sequence[Reading]) -> Figures:
    by_name = {name: [reading.figures[name] for reading in taken] for name in taken[0].figures}
    return {
        **{name: fmean(values) for name, values in by_name.items()},
        "sd": {name: stdev(values) if len(values) > 1 else None for name, values in by_name.items()},
        "epochs": [reading.epoch for reading in taken],
    }


def _table(size: str, figures: Figures) -> Table:
    table = Table(
        "", *PROTOCOLS, "Meta's README", title=f"MovieLens-1M {size}, mean ± sd over seeds: {figures['seeds']}"
    )
    for name in [*PUBLISHED[size], "mrr"]:
        theirs = PUBLISHED[size].get(name)
        table.add_row(
            name, *[_cell(figures[protocol], name) for protocol in PROTOCOLS], f"{theirs:.4f}" if theirs else ""
        )
    return table


def _cell(values: Figures, name: str) -> str:
    sd = values["sd"][name]
    return f"{values[name]:.4f}" + ("" if sd is None else f" ± {sd:.4f}")
