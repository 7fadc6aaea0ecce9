"""Minutes of training on this machine until MovieLens-1M is ranked as well as published.

The published protocol: trained without the last item of every user, read on it. Minutes count training alone; a reading
of the quality costs seconds and comes every `evaluate_every` epochs, so the figure is late by up to as many epochs.
"""

from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import movielens
from benchmarks.figures import Figures, Report
from benchmarks.recipes import RECIPES, small
from benchmarks.training_run import SELECTION, Reading, readings

GOALS = {"base": ("0172", 0.172), "large": ("0189", 0.189)}
SMOKE_GOAL = 0.001


def run(sizes: tuple[str, ...], data: Path | None, smoke: bool, report: Report) -> Figures:
    """`minutes_to_0172_base` and `minutes_to_0189_large`; None where the recipe's epochs end before.

    Nothing is kept or resumed: a figure of time comes from one uninterrupted run.
    """
    figures: Figures = {}
    with TemporaryDirectory() as folder:
        source = movielens.write_imitation(Path(folder) / "ml") if smoke else data
        held_out = movielens.hold_out(movielens.read(source), 1)
        for size in sizes:
            recipe = small(RECIPES[size]) if smoke else RECIPES[size]
            label, published = GOALS[size]
            goal = SMOKE_GOAL if smoke else published
            report(f"{size}: training until NDCG@10 is {goal}")
            taken = readings(recipe, 0, held_out, Path(folder) / size, report, enough=partial(_reached, goal))
            there = _reached(goal, taken[-1])
            figures[f"minutes_to_{label}_{size}"] = taken[-1].training_seconds / 60 if there else None
            figures[f"epochs_to_{label}_{size}"] = taken[-1].epoch if there else None
            figures[f"{SELECTION}_{size}"] = taken[-1].figures[SELECTION]
    return figures


def _reached(goal: float, reading: Reading) -> bool:
    return reading.figures[SELECTION] >= goal
