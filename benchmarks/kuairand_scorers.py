"""The contestants of `genrec bench kuairand`: each learns from what is known and scores what is asked.

Another one is a function of a task and a seed, and a line in `SCORERS`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks import kuairand_argus, kuairand_fm, kuairand_towers
from benchmarks.kuairand_data import LABEL, Task
from benchmarks.kuairand_features import NAMES, Features
from models.evaluation.item_rates import ItemRates

FloatArray = NDArray[np.float64]

TABS = 15
LEARNED_DAYS = 4
"""Days whose impressions the models on features learn from; their features are as of the day before the first."""

TREES: Mapping[str, Any] = {
    "n_estimators": 200,
    "learning_rate": 0.03,
    "num_leaves": 8,
    "min_child_samples": 200,
    "reg_lambda": 10.0,
    "subsample": 0.7,
    "subsample_freq": 1,
    "colsample_bytree": 0.7,
}
"""Small and strongly regularised: trees that fit the four days better transfer worse."""


@dataclass(frozen=True)
class Scorer:
    """A contestant.

    Attributes:
        score: Gives (T,) finite scores of what a task asks, higher is better.
        seeded: Whether another seed gives other scores.
        logits: Whether the scores are logits of watching long.
    """

    score: Callable[[Task, int], FloatArray]
    seeded: bool = True
    logits: bool = True


def random(task: Task, seed: int) -> FloatArray:
    return np.random.default_rng(seed).random(task.asked.height)


def item_rate(task: Task, seed: int) -> FloatArray:
    """How often the video was watched long, smoothed, by everybody in history and days before."""
    seen = pl.concat([part.select("video_id", LABEL) for part in (task.known.history, task.known.impressions)])
    videos = seen["video_id"].to_numpy().astype(np.int64) + 1
    asked = task.asked["video_id"].to_numpy().astype(np.int64) + 1
    rates = ItemRates(videos, seen[LABEL].to_numpy()[:, None] > 0, int(max(videos.max(), asked.max())))
    return rates.logits(asked)[:, 0].astype(np.float64)


def logistic_regression(task: Task, seed: int) -> FloatArray:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    learned, watched, asked = _features(task)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    logits: FloatArray = model.fit(_with_tabs(learned), watched).decision_function(_with_tabs(asked))
    return logits


def lightgbm(task: Task, seed: int, rates: bool = False) -> FloatArray:
    """Boosted trees.

    Args:
        rates: Whether the features count rates only, instead of telling quality from leniency.

    Raises:
        ValueError: the library is missing.
    """
    try:
        from lightgbm import LGBMClassifier
    except ImportError as missing:
        raise ValueError("LightGBM is not installed: `make setup` does, and --scorer leaves it out") from missing

    learned, watched, asked = _features(task, rates)
    model = LGBMClassifier(**TREES, random_state=seed, n_jobs=1, verbose=-1).fit(learned, watched)
    return np.asarray(model.predict(asked, raw_score=True))


SCORERS = {
    "random": Scorer(random, logits=False),
    "item_rate": Scorer(item_rate, seeded=False),
    "logistic_regression": Scorer(logistic_regression, seeded=False),
    "lightgbm": Scorer(lightgbm),
    "lightgbm_rates": Scorer(partial(lightgbm, rates=True)),
    "fm": Scorer(kuairand_fm.score),
    "fm_impressions": Scorer(partial(kuairand_fm.score, history=False)),
    "argus": Scorer(partial(kuairand_argus.score, variant=kuairand_argus.ARGUS)),
}

ABLATIONS = {
    name: Scorer(partial(kuairand_argus.score, variant=variant), logits=variant.learn != "next_item")
    for name, variant in kuairand_argus.ABLATIONS.items()
} | {
    name: Scorer(partial(kuairand_towers.score, variant=variant), logits=False)
    for name, variant in kuairand_towers.VARIANTS.items()
}
"""Those that take part where they are asked for."""

MIXTURES = {"argus_and_regression": ("argus", "logistic_regression")}
"""The mean of the logits of several, where all of them take part."""

PRODUCTION = "item_rate"
"""What the uplift of pair accuracy is over."""


def _features(task: Task, rates: bool = False) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.float32]]:
    """Features and labels of the last known days, and the features of what is asked.

    As in the test, features stand still over the days they are for: those of yesterday would say of a user who watched
    a lot that little is left for today.
    """
    before, days = task.known.before_last(LEARNED_DAYS)
    surfaces = task.known.impressions
    learned = Features(before, surfaces, rates).of(days)
    asked = Features(task.known, surfaces, rates).of(task.asked)
    return learned, days[LABEL].to_numpy() > 0, asked


def _with_tabs(features: NDArray[np.float32]) -> FloatArray:
    """With a column for each surface in the place of its number."""
    place = NAMES.index("tab")
    tabs = np.eye(TABS)[features[:, place].astype(np.int64)]
    return np.column_stack([np.delete(features, place, axis=1), tabs])
