"""`genrec bench nightly-chain`: nights that train on from the one before, against training from scratch every night.

A demo world is taken through the line once, up to its training set. Then each night cuts it at the start of its own
day: the training set is made as of then, a model is trained from scratch and another one on from the last night's, both
as the asset `hstu_model` does it by the settings that follow the data, and both are asked what the day brought. The
first night's version, never trained on, is asked as well: what a night is worth.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from time import process_time

import numpy as np
import torch
import yaml
from rich.table import Table

from assets.splits.settings import EvaluationSettings
from assets.training.night import champion_to_start_from, settled
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetRecord, TrainingSetSettings, make_training_set
from assets.training.version import TrainedVersion, new_manifest, train_version
from assets.versions import DATASETS, releases_of
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from benchmarks.side_by_side import side_by_side
from models.artifact import Artifact, load_artifact
from models.auto import read_section
from models.evaluation.report import OVERALL, EvaluationReport, Protocol
from storage.lake import Lake

FIRST_DAY = date(2026, 1, 1)
HISTORY_DAYS = 11
"""Before the first night, which trains from scratch."""

SCRATCH, WARM, STALE = "scratch", "warm", "stale"
NEW = "new_items"
"""Targets that had no interaction yet when the night before was trained, and have one now."""

NDCG, HR = "ndcg@10", "hr@50"
PROTOCOL: Protocol = "time"
TRAINING = {"positive_actions": ["click", "like"], "start_from": "champion", "train_ablation": False}
SMOKE_CONTENT = {"text": {"max_length": 16}, "image": {"adapt": {"epochs": 1}}}


@dataclass(frozen=True)
class Trained:
    """A version, and what it took: steps, and seconds of one core with all that a training does."""

    version: TrainedVersion
    steps: int
    seconds: float


@dataclass(frozen=True)
class Night:
    """One night of the chain.

    Attributes:
        new_items: How many items have a row of the ID table that had none the night before.
        served: How many of these the warm version can recommend.
    """

    day: date
    made: dict[str, Trained]
    reports: dict[Protocol, EvaluationReport]
    new_items: int
    served: int

    def ratio(self, scorer: str, metric: str = NDCG, part: str = OVERALL, protocol: Protocol = PROTOCOL) -> float:
        """Its metric, in that of training from scratch."""
        return self.mean(scorer, metric, part, protocol) / self.mean(SCRATCH, metric, part, protocol)

    def mean(self, scorer: str, metric: str = NDCG, part: str = OVERALL, protocol: Protocol = PROTOCOL) -> float:
        measure = self.reports[protocol].measure(scorer, metric, part)
        return measure.mean if measure else 0.0

    def cost(self, of: str) -> float:
        """Of the warm training, in that from scratch."""
        return float(getattr(self.made[WARM], of) / getattr(self.made[SCRATCH], of))


def run(events: int, nights: int, world: int, seed: int, out: Path, smoke: bool, report: Report) -> Figures:
    """Quality and cost of every warm night in those from scratch.

    Args:
        events: About how many events the world has over its first 14 days.
        nights: Warm ones, after a first night from scratch.
        world: Seed of the demo world.
        seed: Seed of the trainings.
        out: Where the lake is, made anew.
    """
    events, nights = (4_000, 2) if smoke else (events, nights)
    home = out / "nightly-chain" / f"{events}-{world}"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    report("making the world, from its files to the sequences and the content of its items")
    materialize(_profile(home, events, nights, world, smoke), home, "*training_set")
    torch.set_num_threads(1)
    lake, chain = Lake(str(home / "lake")), list[Night]()
    first = FIRST_DAY + timedelta(HISTORY_DAYS)
    before = _first_night(lake, first, seed)
    for number in range(1, nights + 1):
        night = _night(lake, first + timedelta(number), seed, before, chain)
        chain.append(night)
        report(
            f"{night.day}: {NDCG} {night.mean(WARM):.4f} on from the night before, {night.mean(SCRATCH):.4f} from "
            f"scratch ({night.ratio(WARM):.3f}), at {night.cost('steps'):.3f} of the steps"
        )
    report(_table(chain))
    return _figures(chain)


def _profile(home: Path, events: int, nights: int, world: int, smoke: bool) -> Path:
    last = FIRST_DAY + timedelta(HISTORY_DAYS + nights + 1)
    profile = home / "chain.yaml"
    profile.write_text(
        yaml.safe_dump(
            {
                "first_day": FIRST_DAY,
                "last_day": last,
                "id_type": "int64",
                "lake": {"root": str(home / "lake")},
                "ray": {"mode": "inline"},
                "source": {"kind": "demo_world", "events": events, "seed": world},
                "training": TRAINING,
                "content": SMOKE_CONTENT if smoke else {},
            }
        )
    )
    return profile


def _first_night(lake: Lake, day: date, seed: int) -> TrainedVersion:
    made = _train(lake, _training_set(lake, day, seed), seed, warm=False).version
    releases_of(lake).promote(made.manifest.version, "the first night")
    return made


def _night(lake: Lake, day: date, seed: int, first: TrainedVersion, chain: Sequence[Night]) -> Night:
    """Trains both on what happened before `day`, and asks them what it brought."""
    before = chain[-1].made[WARM].version if chain else first
    record = _training_set(lake, day, seed)
    made = {SCRATCH: _train(lake, record, seed, warm=False), WARM: _train(lake, record, seed, warm=True)}
    warm = made[WARM].version.manifest
    if warm.parent != before.manifest.version:
        raise RuntimeError(f"the night of {day} did not go on from {before.manifest.version}, but from {warm.parent}")
    releases_of(lake).promote(warm.version, "the night's")
    artifacts = {name: load_artifact(some.version.folder) for name, some in made.items()}
    artifacts[STALE] = load_artifact(first.folder)
    new = _new_items(artifacts[WARM], load_artifact(before.folder))
    served = int(artifacts[WARM].vocabulary.known[new].sum())
    return Night(day, made, side_by_side(lake, artifacts[SCRATCH], artifacts, {NEW: new}), len(new), served)


def _training_set(lake: Lake, day: date, seed: int) -> TrainingSetRecord:
    split = read_section(EvaluationSettings, {"cutoff": day, "window_days": 1, "max_users": 100_000})
    return make_training_set(lake, TrainingSetSettings.of(_settings(seed), split))


def _settings(seed: int) -> TrainingSettings:
    return read_section(TrainingSettings, {**TRAINING, "optimisation": {"seed": seed}})


def _train(lake: Lake, record: TrainingSetRecord, seed: int, warm: bool) -> Trained:
    settings, folder, learned = _settings(seed), lake.folder(DATASETS) / record.name, record.settings.training
    manifest = new_manifest(
        "chain", settings.model.family, settings, record, learned.positive_actions, None, record.settings.evaluation
    )
    told: list[str] = []
    began = process_time()
    start = champion_to_start_from(lake, settings, folder, 0, manifest, told.append) if warm else None
    settings, chosen = settled(settings, folder, 0, start)
    version = train_version(
        lake,
        manifest.model_copy(update={"chosen": {**manifest.chosen, **chosen}}),
        folder,
        settings,
        settings.model,
        settings.optimisation,
        workers=0,
        with_content=True,
        start=start,
        on_progress=lambda progress: None,
        keep_optimizer=settings.keep_optimizer,
    )
    if warm and not start:
        raise RuntimeError(f"a night did not go on: {' '.join(told)}")
    return Trained(version, sum(epoch.steps for epoch in version.curve), process_time() - began)


def _new_items(warm: Artifact, before: Artifact) -> np.ndarray:
    """Indices of the items that have a row now and had none."""
    ids = warm.vocabulary.ids(warm.vocabulary.trained)
    known = before.vocabulary.ids(before.vocabulary.trained)
    return np.asarray(warm.vocabulary.trained[~ids.is_in(known.implode()).to_numpy()])


def _table(chain: Sequence[Night]) -> Table:
    table = Table(title=f"{NDCG} by time, on the day after each night")
    for column in (
        "night",
        "users",
        SCRATCH,
        WARM,
        "warm minus scratch",
        "ratio",
        STALE,
        "steps",
        "seconds",
        "new items",
    ):
        table.add_column(column)
    for night in chain:
        report = night.reports[PROTOCOL]
        difference = report.paired_difference(WARM, SCRATCH, NDCG)
        interval = f"{difference.mean:+.4f} [{difference.low:+.4f}, {difference.high:+.4f}]" if difference else ""
        table.add_row(
            f"{night.day}",
            f"{report.users:,}",
            *(f"{night.mean(scorer):.4f}" for scorer in (SCRATCH, WARM)),
            interval,
            f"{night.ratio(WARM):.3f}",
            f"{night.mean(STALE):.4f}",
            *(f"{night.cost(of):.3f}" for of in ("steps", "seconds")),
            f"{night.served} of {night.new_items}",
        )
    return table


def _figures(chain: Sequence[Night]) -> Figures:
    ratios = np.array([night.ratio(WARM) for night in chain])
    spread = 1.96 * float(ratios.std(ddof=1)) / len(ratios) ** 0.5 if len(ratios) > 1 else 0.0
    others: list[Protocol] = [name for name in chain[0].reports if name != PROTOCOL]
    also = {name: [night.ratio(WARM, protocol=name) for night in chain] for name in others}
    return {
        "worst_quality_ratio": float(ratios.min()),
        "mean_quality_ratio": float(ratios.mean()),
        "mean_quality_ratio_95": [float(ratios.mean() - spread), float(ratios.mean() + spread)],
        "compute_ratio": max(night.cost("seconds") for night in chain),
        "steps_ratio": max(night.cost("steps") for night in chain),
        "stale_quality_ratio": chain[-1].ratio(STALE),
        "nights": len(chain),
        "chain_length": len(chain[-1].made[WARM].version.manifest.ancestors),
        "new_items": sum(night.new_items for night in chain),
        "new_items_served": sum(night.served for night in chain),
        f"{NEW}_{HR}": {name: _of_new_items(chain, name) for name in (SCRATCH, WARM, STALE)},
        **{f"{name}_mean_ratio": float(np.mean(some)) for name, some in also.items()},
        "users": float(np.mean([night.reports[PROTOCOL].users for night in chain])),
    }


def _of_new_items(chain: Sequence[Night], scorer: str) -> float:
    """Share of the users who chose an item that was new that night of whom it was among the first 50."""
    found = [night.reports[PROTOCOL].measure(scorer, HR, NEW) for night in chain]
    some = [measure for measure in found if measure]
    return sum(measure.mean * measure.n for measure in some) / max(1, sum(measure.n for measure in some))
