"""Training speed on MovieLens-1M: tokens per second of forward, loss, backward and step, in turns with RecTools.

Sides: `genrec`, this project as it trains; `reference`, the same with the naive padded attention; `rectools`,
HSTUModel of RecTools 0.19 at the same dimensions, batch of users and 128 negatives per position;
`rectools_kept_memory`, the same told by environment to keep freed memory as we do; `before`, another checkout of
this project with an environment of its own, so that a change shows what it costs. Each trains by its own loop, data
loading included, on the same users; a token is a position with a next item, padding is none.
"""

import json
import os
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks import contestant_genrec, movielens
from benchmarks.contestant import Contestant
from benchmarks.environment_apart import is_installed, python_with
from benchmarks.figures import Figures, Report
from benchmarks.movielens import HeldOut
from benchmarks.recipes import RECIPES, Recipe, small
from benchmarks.timing import Samples, interleaved, speedup
from models.attention.dispatch import BACKEND_VARIABLE
from models.memory import LARGEST

STEPS = {"base": 8, "large": 4}
"""Steps of an epoch, so many batches of users: long enough to be steady, short enough to take turns."""

NEGATIVES = 128
KEPT_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(LARGEST), "MALLOC_TRIM_THRESHOLD_": str(LARGEST)}
"""What `models.memory` asks of glibc, for a program that does not ask."""

_RECIPE = "from benchmarks.recipes import RECIPES, small; print({recipe}.model_dump_json())"
"""A checkout has recipes in the words of its own time."""

RECTOOLS = "rectools[torch]==0.19.0"
RECTOOLS_SIDE = Path(__file__).with_name("contestant_rectools.py")


def run(
    sizes: tuple[str, ...],
    rounds: int,
    rectools: bool,
    before: Path | None,
    data: Path | None,
    out: Path,
    smoke: bool,
    report: Report,
) -> Figures:
    """Tokens per second of each size, and how many times those of RecTools they are: the median over rounds.

    Args:
        rounds: Epochs of each side that count, after one that does not.
        rectools: Whether to measure RecTools, and to install it where it is not yet.
        before: Another checkout of this project, set up by its README, to measure too; None: none.
        data: Folder of MovieLens-1M; not needed for a smoke run, which takes RecTools only where it is installed.
        out: Where RecTools' environment lies.
    """
    figures: Figures = {}
    with TemporaryDirectory() as folder:
        source = movielens.write_imitation(Path(folder) / "ml") if smoke else data
        held_out = movielens.hold_out(movielens.read(source), 1)
        there = rectools and (not smoke or is_installed(out / "rectools"))
        python = rectools_python(out / "rectools", report) if there else None
        for size in sizes:
            recipe = small(RECIPES[size]) if smoke else RECIPES[size]
            expression = f"small(RECIPES[{size!r}])" if smoke else f"RECIPES[{size!r}]"
            sample = _sample(held_out, recipe.training.batch_size * STEPS[size])
            loss = recipe.training.loss
            report(f"{size}: {loss.negatives} negatives, {'shared' if loss.shared else 'own'}, {loss.source}")
            tokens, samples = _race(expression, recipe, sample, python, before, Path(folder), 1 if smoke else rounds)
            figures |= _figures(size, tokens, samples, report)
    return figures


def rectools_python(environment: Path, report: Report) -> Path:
    """The interpreter of RecTools' environment, which is made where it is not there."""
    # RecTools needs older numpy, pandas and attrs; torch shows through, so that both sides use one build of it.
    return python_with(RECTOOLS, environment, report, shared=True)


def _sample(held_out: HeldOut, users: int) -> HeldOut:
    """As many users as given, drawn at random."""
    count = len(held_out.histories)
    drawn = np.sort(np.random.default_rng(0).permutation(count)[: min(users, count)])
    return HeldOut(held_out.histories.take(drawn), held_out.targets[drawn], held_out.times[drawn], held_out.items)


def _race(
    expression: str,
    recipe: Recipe,
    sample: HeldOut,
    rectools_python: Path | None,
    before: Path | None,
    folder: Path,
    rounds: int,
) -> tuple[int, dict[str, Samples]]:
    """Tokens of an epoch, and the seconds of each epoch by side.

    Args:
        expression: What the recipe is in `benchmarks.recipes`, here and in the checkout `before`.

    Raises:
        RuntimeError: the sides trained on different numbers of tokens, so their times do not compare.
    """
    histories = folder / "histories.npz"
    packed = sample.histories
    items, times = packed.item_index, packed.timestamps
    # Checkouts from before 27 November 2026 read items by the name `rows`.
    np.savez(histories, item_index=items, rows=items, timestamps=times, offsets=packed.offsets)
    ours = _job(folder / "genrec.json", histories, recipe=recipe.model_dump(), items=sample.items)
    command = [sys.executable, "-m", contestant_genrec.__name__, str(ours)]
    tokens: dict[str, int] = {}
    with ExitStack() as stack:
        sides = {
            "genrec": stack.enter_context(Contestant("genrec", command)),
            "reference": stack.enter_context(
                Contestant("reference", command, {**os.environ, BACKEND_VARIABLE: "reference"})
            ),
        }
        if before:
            python = before.resolve() / ".venv" / "bin" / "python"
            recipe_of_before = json.loads(_said_by(before, python, _RECIPE.format(recipe=expression)))
            job = _job(folder / "before.json", histories, recipe=recipe_of_before, items=sample.items)
            command = [str(python), "-m", contestant_genrec.__name__, str(job)]
            sides["before"] = stack.enter_context(Contestant("before", command, folder=before))
        if rectools_python:
            theirs = _job(folder / "rectools.json", histories, **_rectools_settings(recipe))
            command = [str(rectools_python), str(RECTOOLS_SIDE), str(theirs)]
            sides["rectools"] = stack.enter_context(Contestant("rectools", command))
            sides["rectools_kept_memory"] = stack.enter_context(
                Contestant("rectools_kept_memory", command, {**os.environ, **KEPT_MEMORY})
            )

        def epoch(name: str) -> None:
            tokens[name] = sides[name].epoch()

        samples = interleaved({name: partial(epoch, name) for name in sides}, rounds)
    if len(set(tokens.values())) > 1:
        raise RuntimeError(
            f"the sides trained on different numbers of tokens, {tokens}: give the recipe whole histories"
        )
    return tokens["genrec"], samples


def _said_by(checkout: Path, python: Path, program: str) -> str:
    """What a program prints in another checkout.

    Raises:
        RuntimeError: it cannot run there.
    """
    try:
        done = subprocess.run([python, "-c", program], cwd=checkout, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        why = getattr(error, "stderr", None) or str(error)
        last = why.strip().splitlines()[-1]
        raise RuntimeError(f"{checkout} cannot be measured, set it up by its README first: {last}") from error
    return done.stdout


def _job(path: Path, histories: Path, **settings: object) -> Path:
    path.write_text(json.dumps({"histories": str(histories), **settings}))
    return path


def _rectools_settings(recipe: Recipe) -> dict[str, object]:
    model = recipe.model
    arguments = {
        "n_blocks": model.backbone.layers,
        "n_heads": model.backbone.heads,
        "n_factors": model.width,
        "session_max_len": model.max_length,
        "dropout_rate": model.input_dropout,
        "n_negatives": NEGATIVES,
        "lr": recipe.training.learning_rate,
        "batch_size": recipe.training.batch_size,
    }
    return {"model": arguments, "temperature": recipe.training.loss.temperature}


def _figures(size: str, tokens: int, samples: dict[str, Samples], report: Report) -> Figures:
    rates = {name: side.rate(tokens) for name, side in samples.items()}
    for name, rate in rates.items():
        line = f"{size}, {name}: {rate.median:,.0f} tokens/s [{rate.low:,.0f}, {rate.high:,.0f}]"
        report(
            line if name == "genrec" else f"{line}, genrec is {speedup(samples[name], samples['genrec'])} times faster"
        )
    figures: Figures = {f"tokens_per_s_{size}": rates["genrec"].median}
    for name in list(samples)[1:]:
        ratio = speedup(samples[name], samples["genrec"])
        figures |= {
            f"{name}_ratio_{size}": ratio.median,
            f"{name}_ratio_{size}_low": ratio.low,
            f"{name}_ratio_{size}_high": ratio.high,
            f"{name}_tokens_per_s_{size}": rates[name].median,
        }
    return figures
