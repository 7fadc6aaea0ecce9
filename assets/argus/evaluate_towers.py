"""The report of two towers: how they ordered what was shown after their cutoff, against what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assets.argus.evaluate import Window
from assets.ranking.evaluate import NotEvaluated
from assets.splits.settings import EvaluationSettings
from models.argus.two_towers_config import GradeConfig
from models.evaluation.own_impressions import PAIR_ACCURACY, PAIR_UPLIFT
from models.evaluation.report import Measure, Measures, WindowEvaluation
from storage.lake import Lake

if TYPE_CHECKING:
    from models.argus.two_towers_config import TwoTowersConfig
    from models.artifact import Artifact
    from models.interactions import Interactions

TOWERS, WITHOUT_DELAY, ITEM_RATE, PRODUCTION = "argus_towers", "argus_towers, delay 0", "item_rate", "production"
"""Scorers: the towers, as a nightly batch would answer; the same with states as young as there are; how good what came
of the item was before the cutoff; and the column that holds what the ranker in production said."""


class TowersEvaluation(WindowEvaluation):
    """The whole evaluation of one version: what stands in its `evaluation.json`."""

    delay_hours: float = Field(description="How old states are at least.")
    scale: list[GradeConfig] = Field(description="What orders the impressions.")
    users: int = Field(ge=1, description="Users to whom something was shown.")
    impressions: int = Field(ge=1, description="How often something was shown to one who had a state.")
    without_state: int = Field(description="Impressions of users without a state that was old enough: not asked.")
    without_grade: int = Field(description="Impressions of which nothing is known: not asked.")
    unknown_items: int = Field(description="Impressions of items that are not in the vocabulary: not asked.")
    shares: dict[str, float] = Field(description="Step of the scale to the share of the impressions at which it holds.")
    pairs: dict[str, Measures] = Field(
        description="Scorer to pair_accuracy by the whole scale, ties counted half, and, for the others, pair_uplift: "
        "that of the towers over theirs, minus 1, on the impressions of which they say anything."
    )
    scorers: dict[str, dict[str, Measures]] = Field(
        description="Scorer to step of the scale to metric to number (`models.evaluation.action_metrics`)."
    )


@dataclass(frozen=True)
class _Asked:
    """T impressions, with what each scorer says of them, NaN for nothing."""

    users: np.ndarray
    grades: np.ndarray
    reached: np.ndarray
    scores: dict[str, np.ndarray]


def evaluate_towers(
    lake: Lake, artifact: Artifact, settings: EvaluationSettings, production: str = ""
) -> TowersEvaluation:
    """Evaluates a version on what its own training set holds of the window after its cutoff.

    Args:
        production: The column that holds what the ranker in production said of each impression; empty: there is none.

    Raises:
        NotEvaluated: nothing was shown there that can be asked, the training set is gone or of another window, or
            nothing is known of the ranker in production.
        ValueError: the model gives a score that is not finite.
    """
    from models.argus.examples import began_within
    from models.argus.impressions import ImpressionExamples, NoImpressions, reached
    from models.argus.shown import score_shown

    manifest, config = artifact.manifest, artifact.model.config
    window = Window.of(lake, manifest, settings, "user_item_towers")
    settings, learned, after = window.settings, window.learned, window.after
    try:
        examples = ImpressionExamples(after, config, began_within(after, window.since, window.until))
    except NoImpressions as error:
        raise NotEvaluated(
            f"version {manifest.version} cannot be evaluated: in the {settings.window_days} day(s) from "
            f"{manifest.cutoff:%Y-%m-%d} {error}; materialize more days or widen `evaluation.window_days`"
        ) from error
    said = score_shown(artifact.model, examples)
    now = config.model_copy(update={"delay_hours": 0.0})
    same = np.isin(np.arange(len(after.timestamps)), examples.at)
    scores = {
        TOWERS: said.scores,
        **(
            {WITHOUT_DELAY: score_shown(artifact.model, ImpressionExamples(after, now, same)).scores}
            if config.delay_hours
            else {}
        ),
        ITEM_RATE: _item_rates(learned, config, len(artifact.vocabulary))[said.items],
        **({PRODUCTION: _of_production(after, production, examples.at)} if production else {}),
    }
    asked = _Asked(said.users, said.grades, reached(config, said.labels), scores)
    steps = outcomes(config)
    return TowersEvaluation(
        version=manifest.version,
        training_set=manifest.training_set,
        cutoff=manifest.cutoff,
        window_days=settings.window_days,
        seed=settings.seed,
        table_versions=manifest.table_versions,
        delay_hours=config.delay_hours,
        scale=list(config.scale),
        users=len(np.unique(said.users)),
        impressions=len(said.users),
        without_state=examples.left_out.without_state,
        without_grade=examples.left_out.without_grade,
        unknown_items=examples.left_out.unknown_item,
        shares=dict(zip(steps, asked.reached.mean(axis=0).tolist(), strict=True)),
        pairs={name: _pairs(asked, name, settings) for name in scores},
        scorers={name: _by_step(asked, name, steps, settings) for name in scores},
    )


def outcomes(config: TwoTowersConfig) -> list[str]:
    """The steps of the scale by name, in its order."""
    several = {factor.name for factor in config.factors if config.classes(factor) > 2}
    return [
        f"{step.factor} from class {step.least}" if step.factor in several else step.factor for step in config.scale
    ]


def _pairs(asked: _Asked, name: str, settings: EvaluationSettings) -> Measures:
    """Pair accuracy by the whole scale of one scorer, and the uplift of the towers over it."""
    from models.evaluation.graded_pairs import graded_pairs
    from models.evaluation.normalised_entropy import ratio_over_users

    told = np.isfinite(asked.scores[name])
    users, right, pairs = graded_pairs(asked.users[told], asked.scores[name][told], asked.grades[told])
    _, ours, _ = graded_pairs(asked.users[told], asked.scores[TOWERS][told], asked.grades[told])
    draws = settings.resamples, settings.seed
    accuracy, over = ratio_over_users(users, right, pairs, *draws), ratio_over_users(users, ours, right, *draws)
    uplift = {PAIR_UPLIFT: _less_one(over)} if over and name != TOWERS else {}
    return ({PAIR_ACCURACY: accuracy} if accuracy else {}) | uplift


def _less_one(ratio: Measure) -> Measure:
    low, high = (None if bound is None else bound - 1 for bound in (ratio.low, ratio.high))
    return Measure(mean=ratio.mean - 1, low=low, high=high, n=ratio.n)


def _by_step(asked: _Asked, name: str, steps: list[str], settings: EvaluationSettings) -> dict[str, Measures]:
    """How one scorer tells the impressions at which each step holds from the others."""
    from models.evaluation.action_metrics import action_metrics

    told = np.isfinite(asked.scores[name])
    logits = np.tile(asked.scores[name][told, None], (1, len(steps)))
    numbers = action_metrics(asked.users[told], logits, asked.reached[told], settings.resamples, settings.seed)
    # Scores are no probabilities: only the order counts.
    return {
        step: {metric: measure for metric, measure in measures.items() if metric != "ne"}
        for step, measures in zip(steps, numbers, strict=True)
    }


def _item_rates(learned: Interactions, config: TwoTowersConfig, items: int) -> np.ndarray:
    """(n + 1,) the mean grade of each item's impressions before the cutoff, smoothed."""
    from models.argus.impressions import every_impression, grades, labels_at
    from models.evaluation.item_rates import ItemRates

    at = every_impression(learned, config)
    found = grades(config, labels_at(learned, config, at))
    rates = ItemRates(learned.item_index[at], found[:, None] == np.array(config.grades), items)
    logits = rates.logits(np.arange(items + 1)).astype(np.float64)
    means: np.ndarray = (1 / (1 + np.exp(-logits))) @ np.array(config.grades, np.float64)
    return means


def _of_production(after: Interactions, column: str, at: np.ndarray) -> np.ndarray:
    """(T,) what production said of the impressions at `at`."""
    if column not in after.columns or after.declared[column] != "request" or after.columns[column].dtype.kind != "f":
        raise NotEvaluated(
            f"argus.towers.production is {column!r}, which is no number that is known at the request: declare it in "
            "quality.columns as {known: request, type: number} and materialize the line from `events` on"
        )
    values: np.ndarray = after.columns[column][at]
    if not np.isfinite(values).any():
        raise NotEvaluated(f"argus.towers.production is {column!r}, of which no impression of the window has a number")
    return values
