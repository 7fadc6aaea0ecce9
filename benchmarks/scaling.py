"""`genrec bench scaling`: how quality grows with the backbone's size, by the sweep of the asset `scaling_law`.

MovieLens-1M, or a demo world where it is not there, is taken through the line once, up to its sequences. The training
set has no content, so that an item is its ID in every model; each user's last item is asked for. Sizes, shares and
epochs were fixed beforehand.
"""

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from assets.ray_cluster import private
from assets.scaling.law import plan_of
from assets.scaling.plots import laws_figure
from assets.scaling.settings import HEAD_DIM, LAYERS, ScalingSettings
from assets.scaling.sweep import Swept, sweep
from assets.splits.settings import EvaluationSettings
from assets.training.night import settled
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings, make_training_set
from assets.versions import DATASETS
from benchmarks import movielens
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from models.auto import read_section
from models.evaluation.intervals import Interval
from models.scaling.study import Study, study
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE

MOVIELENS: dict[str, Any] = {
    "first_day": date(2000, 4, 25),
    "last_day": date(2003, 3, 1),
    "partitions": "month",
    "source": {"kind": "movielens"},
    "quality": {"actions": ["rating"], "value_range": [0.5, 5]},
    "training": {"positive_actions": ["rating"]},
}
DEMO: dict[str, Any] = {
    "first_day": date(2026, 1, 1),
    "last_day": date(2026, 1, 15),
    "source": {"kind": "demo_world", "events": 100_000},
    "training": {"positive_actions": ["click", "like"]},
}
TRAINING: dict[str, Any] = {
    "use_content": False,
    "validation_users": 300,
    "model": {"width": 64, "max_length": 100, "popularity": False, "backbone": {"heads": 2}},
    "optimisation": {
        "patience": 0,
        "batch_size": 32,
        "learning_rate": 0.002,
        "schedule": "cosine",
        "warmup": 0.05,
        "weight_decay": 0,
        "loss": {"negatives": 512, "shared": True},
    },
}
EVALUATION: dict[str, Any] = {
    "primary_protocol": "leave_one_out",
    "leave_one_out_users": 10_000,
    "hold_out_ties": True,
}
SIZES = [{LAYERS: layers, HEAD_DIM: width} for layers, width in ((1, 1), (1, 2), (1, 4), (1, 12), (2, 16), (2, 48))]
SMALL = {
    "sizes": [{LAYERS: 1, HEAD_DIM: width} for width in (1, 2, 4, 8, 16)],
    "fractions": [1.0],
    "resamples": 100,
}


def run(
    epochs: int,
    seeds: int,
    concurrent: int,
    data: Path | None,
    out: Path,
    picture: Path | None,
    smoke: bool,
    report: Report,
) -> Figures:
    """Both laws, the largest size foretold, and what the next compute would buy.

    Args:
        epochs: Over all users; smaller shares have as many steps.
        seeds: Of every trial.
        concurrent: Trials at once, a core each.
        data: Folder of MovieLens-1M; None: a demo world takes its place.
        out: Where the log and the trials are kept; what is there is not done again.
        picture: A PNG file for the laws.

    Raises:
        NoLaw: quality does not rise with size.
    """
    if smoke:
        data = movielens.write_imitation(out / "scaling" / "imitation", users=400)
    log = DEMO if data is None else {**MOVIELENS, "source": {"kind": "movielens", "path": str(data)}}
    settings = {"epochs": epochs, "seeds": seeds, "concurrent": concurrent, "sizes": SIZES, **(SMALL if smoke else {})}
    swept, found = _swept(log, ScalingSettings.model_validate(settings), out / "scaling", report)
    if picture:
        laws_figure(found, swept.by_fraction).savefig(picture, dpi=120)
    report(_table(swept))
    report(found.advice())
    return _figures(log, swept, found)


def _swept(log: dict[str, Any], scaling: ScalingSettings, out: Path, report: Report) -> tuple[Swept, Study]:
    home = out / log["source"]["kind"]
    lake = Lake(str(home / "lake"))
    if not lake.exists(SEQUENCES_TABLE):
        report(f"taking the log through the line in {home}")
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        materialize(_profile(log, home), home, "*sequences")
    training = read_section(TrainingSettings, {**log["training"], **TRAINING})
    evaluation = read_section(EvaluationSettings, EVALUATION)
    record = make_training_set(lake, TrainingSetSettings.of(training, evaluation))
    training, _ = settled(training, lake.folder(DATASETS) / record.name, workers=0, start=None)
    plan = plan_of(lake, home.name, record, training, evaluation, scaling, code="")
    with private(scaling.concurrent):
        swept = sweep(plan, report)
    report(swept.undertrained or "No size has learned the training set less well than a smaller one.")
    return swept, study(swept.by_fraction, scaling.resamples)


def _profile(log: dict[str, Any], home: Path) -> Path:
    profile = home / "scaling.yaml"
    profile.write_text(
        yaml.safe_dump({**log, "id_type": "int64", "lake": {"root": str(home / "lake")}, "ray": {"mode": "inline"}})
    )
    return profile


def _table(swept: Swept) -> Table:
    table = Table(title="Trials")
    for name in swept.table.columns:
        table.add_column(name)
    for row in swept.table.sort("fraction", "parameters", "seed").iter_rows():
        table.add_row(*(f"{value:.4f}" if isinstance(value, float) else f"{value:,}" for value in row))
    return table


def _figures(log: dict[str, Any], swept: Swept, found: Study) -> Figures:
    told = found.foretold
    return {
        "log": log["source"]["kind"],
        "users": found.gain.n,
        "offset_rmse": found.offset_rmse,
        "loglinear_rmse": found.log_linear_rmse,
        "heldout_error": abs(told.offset_error),
        "heldout_error_loglinear": abs(told.log_linear_error),
        "heldout_mrr": told.value,
        "ceiling": _of(found.ceiling),
        "exponent": found.offset.exponent,
        "gain_10x": _of(found.gain),
        "gain_of_users": {f"{fraction:g}": _of(gain) for fraction, gain in found.data_gain.items()},
        "mrr": {
            f"{fraction:g}": {
                f"{int(size)}": float(trials.means[trials.sizes == size].mean()) for size in sorted(set(trials.sizes))
            }
            for fraction, trials in swept.by_fraction.items()
        },
    }


def _of(interval: Interval) -> list[float]:
    return [interval.mean, interval.low, interval.high]
