"""Yambda's own benchmark (arXiv 2505.22238, section 5): the platform's versions beside the published baselines.

The line learns from the first 300 days by the profile's defaults, but for what the protocol fixes: nothing of them is
held out for an evaluation, and tracks come again. Its versions then rank the whole catalogue for everybody who does
something on the test day, without leaving out what they know; their state is that of the training's end.
"""

from datetime import date, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import polars as pl
import yaml
from rich.table import Table

from assets.versions import DATASETS, list_sets, made_of_set
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from benchmarks.yambda_data import DAY_S, EVENTS, TEST_S, Task, asked_for, training_part, write_imitation
from benchmarks.yambda_metrics import KS, Lists, measured
from benchmarks.yambda_published import COLUMNS, PUBLISHED
from models.actions import action_bits
from models.artifact import Artifact, load_artifact
from models.top_k import top_k_of_each
from storage.lake import Lake
from storage.user_interactions import UserInteractions, concatenated, read_positives

ORIGIN = date(2024, 1, 1)
ACTIONS = ["play", "listen_plus", "like", "dislike", "unlike", "undislike"]
SCORES_AT_ONCE = 1 << 24


def run(size: str, task: Task, data: Path | None, out: Path, smoke: bool, report: Report) -> Figures:
    """The metrics of every family that the line makes, by family; the published ones are shown beside them.

    Args:
        size: 50m, 500m or 5b: which published figures stand beside ours.
        data: Folder with the flat `multi_event.parquet`; not needed for a smoke run, which imitates one.
        out: Where the lake is; what stands there of an earlier run is gone on from.

    Raises:
        FileNotFoundError: the data are not there.
    """
    folder = write_imitation(out / "imitation") if smoke else data
    if folder is None:
        raise FileNotFoundError(f"say by --data where the folder with Yambda's flat {EVENTS} is")
    home = out / "yambda" / f"{'smoke' if smoke else size}-{task}"
    started = perf_counter()
    profile = _profile(home, training_part(folder / EVENTS, home / "training"), task, smoke)
    materialize(profile, home, "*blended_model")
    minutes = (perf_counter() - started) / 60
    report(f"trained after {minutes:.1f} minutes")
    lake = Lake(root=str(home / "lake"))
    versions = made_of_set(lake, list_sets(lake.folder(DATASETS))[-1])
    asked = asked_for(folder / EVENTS, task)
    figures = {family: measured(_lists(lake, load_artifact(path), task, asked)) for family, path in versions.items()}
    report(_table(size, task, figures))
    return {"size": size, "task": task, "minutes": minutes, "users": asked["uid"].n_unique(), **figures}


def _profile(home: Path, data: Path, task: Task, smoke: bool) -> Path:
    days = -(-TEST_S // DAY_S)
    training: dict[str, object] = {"positive_actions": [task], "train_ablation": False}
    if smoke:
        training |= {"model": {"width": 16, "max_length": 16}, "optimisation": {"epochs": 2}}
    settings = {
        "first_day": ORIGIN,
        "last_day": ORIGIN + timedelta(days=days),
        "id_type": "int64",
        "lake": {"root": str(home / "lake")},
        "ray": {"mode": "inline"},
        "source": {"kind": "yambda", "path": str(data), "origin": ORIGIN, "listen_plus": 0.5},
        "quality": {"actions": ACTIONS},
        "training": training,
        "evaluation": {
            "cutoff": ORIGIN + timedelta(days=days),
            "window_days": 1,
            "leave_one_out_users": 0,
            "repeats": True,
        },
    }
    home.mkdir(parents=True, exist_ok=True)
    path = home / "yambda.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


def _lists(lake: Lake, artifact: Artifact, task: Task, asked: pl.DataFrame) -> Lists:
    """The lists of everybody who is asked and has learned from, as at the start of the test day."""
    users = _users(lake, artifact, task, asked["uid"].unique())
    at = int((np.datetime64(ORIGIN, "ms") + np.timedelta64(TEST_S * 1000, "ms")).astype(np.int64))
    size = len(artifact.vocabulary) + 1
    step, parts = max(1, SCORES_AT_ONCE // size), []
    for start in range(0, len(users), step):
        some = users.interactions.take(np.arange(start, min(start + step, len(users))))
        scores = artifact.family.score(artifact, some, np.full(len(some), at)).numpy()
        best = top_k_of_each(scores, np.isfinite(scores), max(KS))
        parts.append(np.pad(best, ((0, 0), (0, max(KS) - best.shape[1]))))
    places = pl.DataFrame({"uid": users.users.cast(pl.Int64), "user": np.arange(len(users))})
    targets = asked.join(places, on="uid")
    return Lists(
        np.concatenate(parts).astype(np.int64),
        artifact.vocabulary.indices(targets["item_id"]),
        targets["user"].to_numpy(),
        len(artifact.vocabulary.trained),
    )


def _users(lake: Lake, artifact: Artifact, task: Task, wanted: pl.Series) -> UserInteractions:
    """The users among the `wanted` who have done in training what the task counts, in terms of the vocabulary."""
    log = lake.interactions()
    index, found = artifact.vocabulary.index_by_row(log.item_ids()), list[UserInteractions]()
    for part in read_positives(log, action_bits(log.actions, [task])):
        there = part.users.is_in(wanted.implode()).to_numpy() & (part.interactions.lengths > 0)
        some = part.take(np.flatnonzero(there))
        found.append(UserInteractions(some.users, some.interactions.renumbered(index)))
    return concatenated(found)


def _table(size: str, task: Task, figures: dict[str, dict[str, float]]) -> Table:
    table = Table("", *COLUMNS, "95 % of ndcg@10", title=f"Yambda {size}, {task}")
    for family, found in figures.items():
        low, high = found["ndcg@10_low"], found["ndcg@10_high"]
        table.add_row(family, *(f"{found[name]:.4f}" for name in COLUMNS), f"[{low:.4f}, {high:.4f}]")
    for model, row in PUBLISHED.get((size, task), {}).items():
        table.add_row(f"{model}, published", *(f"{value:.4f}" for value in row), "")
    return table
