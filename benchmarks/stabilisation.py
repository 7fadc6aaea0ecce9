"""What stabilised vectors are worth to somebody who reads them: nights of the demo world, each trained from scratch.

Every night trains with another seed, so that its vectors have another basis. A logistic model is trained on one night's
vectors and given the next night's, as they are published and as the versions make them. Beside it stands one that is
trained on the next night's vectors themselves, of the other half of the users or items: what it reaches is what can be
had, and how far below it the model of the night before stays is what is lost.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
from models.columns import ACTION, BATCH, CATEGORIES, DAY, ITEM_ID, USER_ID, VECTOR
from models.manifest import Space, list_versions
from models.space import read_space
from models.stable_space import Maps, canonical, change_of_scores, gram, mapped, mean_cosine, rotation
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEM_VECTORS_TABLE, USER_VECTORS_TABLE

FIRST_DAY = date(2026, 1, 1)
FIRST_NIGHT = 8
"""Days of the log that the first night has."""

MADE = '+key:"data_report" or key:"training_set" or key:"hstu_model"'
PUBLISHED, RAW = "published", "as trained"
CLICKS, CATEGORY = "click", "category"


@dataclass(frozen=True)
class Night:
    """One night's vectors, both as published and as the version makes them, by id."""

    day: date
    space: Space
    users: dict[str, pl.DataFrame]
    items: dict[str, pl.DataFrame]
    identity: float


def run(nights: int, events: int, items: int, out: Path, smoke: bool, report: Report) -> Figures:
    """What is lost from night to night, with and without; the identity of products; seconds for so many items.

    Args:
        nights: How many, at least 3.
        events: Of the demo world, about.
        items: Of the made-up release whose stabilisation is timed.
        out: Where the lake is; nights that stand there are not made again.

    Raises:
        ValueError: there are too few nights.
    """
    if nights < 3:
        raise ValueError("fewer than 3 nights show no spread: give --nights 3 or more")
    if smoke:
        events, items = 4_000, 10_000
    home = out / "stabilisation" / f"{events}-{nights}"
    home.mkdir(parents=True, exist_ok=True)
    lake = Lake(root=str(home / "lake"))
    made = [_night(lake, home, number, events, smoke) for number in range(nights)]
    _line(home, nights, events, smoke, '+key:"events"')  # What happened after the last night, for its labels.
    losses = _losses(lake, made)
    seconds = _seconds(items, made[0].items[RAW][VECTOR].list.len()[0])
    report(_table(made, losses))
    return {
        "identity": max(night.identity for night in made),
        "mean_cosine": [night.space.mean_cosine for night in made[1:]],
        **{f"loss_{task}_{kind.replace(' ', '_')}": values for (task, kind), values in losses.items()},
        f"seconds_{items}": seconds,
    }


def _night(lake: Lake, home: Path, number: int, events: int, smoke: bool) -> Night:
    """The version of one night, trained from scratch with a seed of its own, and published."""
    folder, name = artifacts_of(lake, "hstu"), f"{number:04}"
    if len(list_versions(folder)) <= number:
        _line(home, number, events, smoke, MADE)
    version = folder / list_versions(folder)[number]
    day = FIRST_DAY + timedelta(days=FIRST_NIGHT + number)
    as_of = datetime.combine(day, datetime.min.time(), UTC)
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
    return Night(day, space.record, {PUBLISHED: users, RAW: own_users}, {PUBLISHED: items, RAW: own_items}, identity)


def _line(home: Path, number: int, events: int, smoke: bool, select: str) -> None:
    """What `select` names, of all days up to a night."""
    settings: dict[str, Any] = {
        "first_day": FIRST_DAY,
        "last_day": FIRST_DAY + timedelta(days=FIRST_NIGHT + number),
        "id_type": "int64",
        "lake": {"root": str(home / "lake")},
        "ray": {"mode": "inline"},
        "source": {"kind": "demo_world", "events": events},
        "content": {"image": {"mode": "none"}},
        "training": {
            "positive_actions": ["click", "like"],
            "use_content": False,
            "train_ablation": False,
            "optimisation": {"seed": number, **({"epochs": 2} if smoke else {})},
        },
    }
    profile = home / "stabilisation.yaml"
    profile.write_text(yaml.safe_dump(settings, sort_keys=False))
    materialize(profile, home, select)


def _losses(lake: Lake, nights: Sequence[Night]) -> dict[tuple[str, str], list[float]]:
    """By task and kind of vectors, the share of the AUC above .5 that the model of each night loses on the next."""
    found: dict[tuple[str, str], list[float]] = {}
    for before, after in pairwise(nights):
        for kind in (PUBLISHED, RAW):
            for task, examples in ((CLICKS, _impressions), (CATEGORY, _categories)):
                old, new = examples(lake, before, kind), examples(lake, after, kind)
                found.setdefault((task, kind), []).append(_lost(old, new))
    return found


@dataclass(frozen=True)
class Examples:
    """Features (T, f), labels (T,), and a number (T,) whose parity halves users or items."""

    features: np.ndarray
    labels: np.ndarray
    owners: np.ndarray

    def half(self, which: int) -> "Examples":
        some = self.owners % 2 == which
        return Examples(self.features[some], self.labels[some], self.owners[some])


def _impressions(lake: Lake, night: Night, kind: str) -> Examples:
    """What was shown on the day after the night, and whether it was clicked: user, item, and their products."""
    shown = (
        lake.scan(EVENTS_TABLE)
        .filter(pl.col(DAY) == night.day)
        .group_by(USER_ID, ITEM_ID)
        .agg((pl.col(ACTION) == "click").any().alias("label"))
        .collect()
        .join(night.users[kind].rename({VECTOR: "user"}), on=USER_ID)
        .join(night.items[kind].rename({VECTOR: "item"}), on=ITEM_ID)
        .sort(USER_ID, ITEM_ID)
    )
    user, item = (np.stack(shown[name].to_list()) for name in ("user", "item"))
    owners = shown[USER_ID].rank("dense").to_numpy().astype(np.int64)
    return Examples(np.concatenate([user, item, user * item], axis=1), shown["label"].to_numpy(), owners)


def _categories(lake: Lake, night: Night, kind: str) -> Examples:
    """Whether an item is of the category that most items are of, told from its vector."""
    first = pl.col(CATEGORIES).list.first().alias("label")
    named = catalogue(lake).select(ITEM_ID, first).drop_nulls().collect()
    rows = night.items[kind].join(named, on=ITEM_ID).sort(ITEM_ID)
    most = named["label"].value_counts(sort=True)["label"][0]
    return Examples(_matrix(rows), (rows["label"] == most).to_numpy(), np.arange(rows.height))


def _lost(old: Examples, new: Examples) -> float:
    """The share of the AUC above .5 that can be had which the old model does not reach; the mean of both halves."""
    shares = []
    for half in (0, 1):
        asked = new.half(half)
        reached, possible = (_auc(seen.half(1 - half), asked) - 0.5 for seen in (old, new))
        shares.append(1 - reached / possible)
    return float(np.mean(shares))


def _auc(seen: Examples, asked: Examples) -> float:
    """Of a logistic model that has seen the one and is asked the other."""
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2_000))
    model.fit(seen.features, seen.labels)
    return float(roc_auc_score(asked.labels, model.predict_proba(asked.features)[:, 1]))


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


def _table(nights: Sequence[Night], losses: Mapping[tuple[str, str], Sequence[float]]) -> Table:
    table = Table("", PUBLISHED, RAW, title="Lost by a logistic model of the night before, of the AUC above .5")
    for task in (CLICKS, CATEGORY):
        told = (losses[task, kind] for kind in (PUBLISHED, RAW))
        table.add_row(task, *(f"{np.mean(values):+.1%} (sd {np.std(values, ddof=1):.1%})" for values in told))
    cosines = [night.space.mean_cosine for night in nights[1:] if night.space.mean_cosine is not None]
    table.add_row("mean cosine of an item's vectors", ", ".join(f"{cosine:.3f}" for cosine in cosines), "")
    return table
