"""What stabilised vectors are worth to somebody who reads them: nights of the demo world, each trained from scratch.

Logistic models tell from an item's vector its category, and from a user's the category of most that the user chose.
Each is trained on one night's vectors and given the next night's, as they are published and as the versions
make them. Beside it stands one that is trained on the next night's vectors themselves. All are asked of the items or
users that they were not trained on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import polars as pl
import yaml
from rich.table import Table
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from assets.items.catalogue import catalogue
from assets.vectors.publish import publish
from assets.versions import artifacts_of
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from models.artifact import load_artifact
from models.columns import ACTION, BATCH, CATEGORIES, ITEM_ID, USER_ID, VECTOR
from models.manifest import Space, list_versions
from models.space import read_space
from models.stable_space import Maps, canonical, change_of_scores, gram, mapped, mean_cosine, rotation
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEM_VECTORS_TABLE, USER_VECTORS_TABLE

FIRST_DAY = date(2026, 1, 1)
FIRST_NIGHT = 8
"""Days of the log that the first night has."""

MADE = '+key:"data_report" or key:"training_set" or key:"hstu_model"'
POSITIVE = ["click", "like"]
OWN, PUBLISHED, RAW = "of the night itself", "published", "as trained"
ITEMS, USERS = "items", "users"
FEWEST = 20
"""Items or users of a category that a model can be made for; half of them are asked."""


@dataclass(frozen=True)
class Night:
    """One night's vectors, both as published and as the version makes them, by id."""

    space: Space
    users: dict[str, pl.DataFrame]
    items: dict[str, pl.DataFrame]
    identity: float


def run(nights: int, events: int, items: int, same_seed: bool, out: Path, smoke: bool, report: Report) -> Figures:
    """What is lost from night to night, with and without; the identity of products; seconds for so many items.

    Args:
        nights: How many, at least 3.
        events: Of the demo world, about.
        items: Of the made-up release whose stabilisation is timed.
        same_seed: Whether all nights train with one seed, as the line does, in place of one each.
        out: Where the lake is; nights that stand there are not made again.

    Raises:
        ValueError: there are too few nights.
    """
    if nights < 3:
        raise ValueError("fewer than 3 nights show no spread: give --nights 3 or more")
    if smoke:
        events, items = 4_000, 10_000
    home = out / "stabilisation" / f"{events}-{nights}-{'one-seed' if same_seed else 'seeds'}"
    home.mkdir(parents=True, exist_ok=True)
    lake = Lake(root=str(home / "lake"))
    made = [_night(lake, home, number, events, same_seed, smoke) for number in range(nights)]
    reached = {task: _reached(made, task, labels) for task, labels in _labels(lake).items()}
    lost = {
        task: {
            kind: [1 - auc / own for auc, own in zip(aucs[kind], aucs[OWN], strict=True)] for kind in (PUBLISHED, RAW)
        }
        for task, aucs in reached.items()
    }
    report(_table(made, reached, lost))
    return {
        "identity": max(night.identity for night in made),
        "mean_cosine": [night.space.mean_cosine for night in made[1:]],
        "change_of_scores": max(night.space.change_of_scores for night in made),
        "auc": reached,
        "lost": lost,
        f"seconds_{items}": _seconds(items, made[0].items[RAW][VECTOR].list.len()[0]),
    }


def _night(lake: Lake, home: Path, number: int, events: int, same_seed: bool, smoke: bool) -> Night:
    """The version of one night, trained from scratch, and published."""
    folder, name = artifacts_of(lake, "hstu"), f"{number:04}"
    if len(list_versions(folder)) <= number:
        _line(home, number, events, 0 if same_seed else number, smoke)
    version = folder / list_versions(folder)[number]
    as_of = datetime.combine(FIRST_DAY + timedelta(days=FIRST_NIGHT + number), time(), UTC)
    if read_space(version) is None:
        publish(lake, [version], "int64", 1_000_000, name, as_of, keep_batches=1_000)
    space, artifact = read_space(version), load_artifact(version)
    assert space is not None
    users, items = (
        lake.scan(table).filter(pl.col(BATCH) == name).select(key, VECTOR).sort(key).collect()
        for table, key in ((USER_VECTORS_TABLE, USER_ID), (ITEM_VECTORS_TABLE, ITEM_ID))
    )
    known = artifact.vocabulary.known_items
    own_items = pl.DataFrame(
        {ITEM_ID: artifact.vocabulary.ids(known), VECTOR: artifact.retrieval_vectors[known].numpy().tolist()}
    ).sort(ITEM_ID)
    own_users = users.with_columns(pl.Series(VECTOR, space.users_of_version(_matrix(users)).tolist()))
    some = _matrix(own_users)[:1_000]
    identity = change_of_scores(_matrix(own_items), some, space.maps, np.float64)
    return Night(space.record, {PUBLISHED: users, RAW: own_users}, {PUBLISHED: items, RAW: own_items}, identity)


def _line(home: Path, number: int, events: int, seed: int, smoke: bool) -> None:
    """The version of all days up to a night."""
    settings: dict[str, Any] = {
        "first_day": FIRST_DAY,
        "last_day": FIRST_DAY + timedelta(days=FIRST_NIGHT + number),
        "id_type": "int64",
        "lake": {"root": str(home / "lake")},
        "ray": {"mode": "inline"},
        "source": {"kind": "demo_world", "events": events},
        "content": {"image": {"mode": "none"}},
        "training": {
            "positive_actions": POSITIVE,
            "use_content": False,
            "train_ablation": False,
            "optimisation": {"seed": seed, **({"epochs": 2} if smoke else {})},
        },
    }
    profile = home / "stabilisation.yaml"
    profile.write_text(yaml.safe_dump(settings, sort_keys=False))
    materialize(profile, home, MADE)


def _labels(lake: Lake) -> dict[str, pl.DataFrame]:
    """By task `id`, `label`: the first category of each item, and that of most of what a user chose."""
    first = pl.col(CATEGORIES).list.first().alias("label")
    items = catalogue(lake).select(ITEM_ID, first).drop_nulls().collect()
    chosen = lake.scan(EVENTS_TABLE).filter(pl.col(ACTION).is_in(POSITIVE)).select(USER_ID, ITEM_ID).collect()
    counts = chosen.join(items, on=ITEM_ID).group_by(USER_ID, "label").len()
    most = counts.sort(USER_ID, "len", "label", descending=[False, True, False]).unique(USER_ID, keep="first")
    return {ITEMS: items.rename({ITEM_ID: "id"}), USERS: most.select(pl.col(USER_ID).alias("id"), "label")}


def _reached(nights: Sequence[Night], task: str, labels: pl.DataFrame) -> dict[str, list[float]]:
    """By what a model was trained on its AUC on the vectors of each night but the first."""
    found: dict[str, list[float]] = {OWN: [], PUBLISHED: [], RAW: []}
    for before, after in pairwise(nights):
        asked = _vectors_of(after, task)
        found[OWN].append(mean_auc(asked[PUBLISHED], asked[PUBLISHED], labels))
        for kind in (PUBLISHED, RAW):
            found[kind].append(mean_auc(_vectors_of(before, task)[kind], asked[kind], labels))
    return found


def _vectors_of(night: Night, task: str) -> dict[str, pl.DataFrame]:
    """By kind `id`, `vector`."""
    return {kind: rows.rename({rows.columns[0]: "id"}) for kind, rows in getattr(night, task).items()}


def mean_auc(seen: pl.DataFrame, asked: pl.DataFrame, labels: pl.DataFrame) -> float:
    """The mean over labels of the AUC of a logistic model that has seen half of some vectors, of the others' vectors.

    Halves take turns.

    Args:
        seen, asked: `id`, `vector`.
        labels: `id`, `label`.
    """
    common = labels.join(seen, on="id", how="semi").join(asked, on="id", how="semi").sort("id")
    truth = common["label"].to_numpy()
    features = [_matrix(common.join(rows, on="id", maintain_order="left")) for rows in (seen, asked)]
    half = np.random.default_rng(0).permutation(len(truth)) % 2
    found = []
    for label, count in zip(*np.unique(truth, return_counts=True), strict=True):
        is_it = truth == label
        halves = [is_it[half == side] for side in (0, 1)]
        if min(count, len(truth) - count) < FEWEST or any(part.all() or not part.any() for part in halves):
            continue
        for side in (0, 1):
            model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2_000))
            model.fit(features[0][half != side], is_it[half != side])
            found.append(roc_auc_score(is_it[half == side], model.decision_function(features[1][half == side])))
    if not found:
        raise ValueError(f"no label has {FEWEST} of {len(truth)} vectors: give more --events")
    return float(np.mean(found))


def _seconds(count: int, width: int) -> float:
    """Of the maps of a release with so many items, as many users and all of them common with the one before."""
    random = np.random.default_rng(0)
    items, users, reference = (random.normal(size=(count, width)).astype(np.float32) for _ in range(3))
    started, one = perf_counter(), np.eye(width)
    maps: Maps = canonical(gram(mapped(items, one), width), gram(mapped(users, one), width))
    maps = maps.turned(rotation(mapped(items, maps.items), mapped(reference, one)))
    mean_cosine(mapped(items, maps.items), mapped(reference, one))
    return perf_counter() - started


def _matrix(rows: pl.DataFrame) -> np.ndarray:
    return np.stack(rows[VECTOR].to_list()).astype(np.float32)


def _table(
    nights: Sequence[Night], reached: Mapping[str, Mapping[str, Sequence[float]]], lost: Mapping[str, Mapping[str, Any]]
) -> Table:
    table = Table("trained on", *reached, title="AUC on a night's vectors, and what is lost to a model of that night")
    for kind in (OWN, PUBLISHED, RAW):
        cells = []
        for task, aucs in reached.items():
            told = f"{np.mean(aucs[kind]):.3f}"
            if kind != OWN:
                told += f", {np.mean(lost[task][kind]):+.1%} (sd {np.std(lost[task][kind], ddof=1):.1%})"
            cells.append(told)
        table.add_row(kind if kind == OWN else f"the night before, {kind}", *cells)
    cosines = [night.space.mean_cosine for night in nights[1:] if night.space.mean_cosine is not None]
    table.caption = f"mean cosine of items' vectors to the night before: {', '.join(f'{c:.3f}' for c in cosines)}"
    return table
