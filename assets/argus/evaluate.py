"""The report of an ARGUS version: what it said of what happened after its cutoff, against what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from assets.ranking.dataset import ASKED, HISTORIES
from assets.ranking.evaluate import NotEvaluated, training_set_of
from assets.splits.settings import EvaluationSettings
from assets.training.interaction_files import read_columns, read_interactions
from models.evaluation.action_metrics import action_metrics
from models.evaluation.report import Measures, WindowEvaluation
from storage.lake import Lake

if TYPE_CHECKING:
    from models.argus.config import ArgusConfig, FactorConfig
    from models.argus.predictions import Predictions
    from models.artifact import Artifact
    from models.interactions import Interactions
    from models.manifest import Manifest

GROWING, FROZEN, ITEM_RATE = "argus", "argus, frozen histories", "item_rate"
"""Scorers: histories hold all that had ended before, as at a live endpoint; or end at the cutoff, as with a nightly
batch; and how often each class came of the item before the cutoff."""

NEXT_ITEM = "next item"


class ArgusEvaluation(WindowEvaluation):
    """The whole evaluation of one version: what stands in its `evaluation.json`."""

    users: int = Field(ge=1, description="Users of whom something began in the window.")
    interactions: int = Field(ge=1, description="How many began.")
    negatives: int = Field(description="Negatives that the next item is told from.")
    positives: dict[str, int] = Field(description="Outcome to how many of the interactions it came of.")
    scorers: dict[str, dict[str, Measures]] = Field(
        description="Scorer to outcome to metric to number: ne, against the frequencies; of a class auc and those of "
        "each user's own interactions (`models.evaluation.own_impressions`)."
    )


@dataclass(frozen=True)
class Window:
    """What a version's own training set holds of the time before and after its cutoff.

    Attributes:
        settings: With the window of that set.
        since, until: Epoch milliseconds, from and to.
        learned: What was learned from.
        after: Users to whom something was shown in the window, with all that they had begun by its end.
    """

    settings: EvaluationSettings
    since: int
    until: int
    learned: Interactions
    after: Interactions

    @classmethod
    def of(cls, lake: Lake, manifest: Manifest, settings: EvaluationSettings, maker: str) -> Window:
        """That of the version.

        Args:
            maker: The asset that trains such versions.

        Raises:
            NotEvaluated: the training set is gone or of another window.
        """
        folder, record = training_set_of(lake, manifest, settings, maker)
        settings = settings.model_copy(update={"window_days": record.settings.evaluation.window_days})
        since, until = (int(at.timestamp() * 1000) for at in (manifest.cutoff, manifest.cutoff + settings.window))
        declared = read_columns(folder).declared
        learned, after = (read_interactions(folder, name, declared) for name in (HISTORIES, ASKED))
        return cls(settings, since, until, learned, after)


def evaluate_argus(lake: Lake, artifact: Artifact, settings: EvaluationSettings) -> ArgusEvaluation:
    """Evaluates a version on what its own training set holds of the window after its cutoff.

    Raises:
        NotEvaluated: nothing began there, or the training set is gone or of another window.
        ValueError: the model gives a number that is not finite.
    """
    from models.argus.examples import ArgusExamples, began_within, ended_before
    from models.argus.predictions import predict
    from models.config.losses import InteractionLossConfig
    from models.evaluation.item_rates import ItemRates
    from models.objectives.next_item_question import NextItemQuestion

    manifest, config = artifact.manifest, artifact.model.config
    window = Window.of(lake, manifest, settings, "argus_backbone")
    settings, learned, after = window.settings, window.learned, window.after
    asked = began_within(after, window.since, window.until)
    if not asked.any():
        raise NotEvaluated(
            f"version {manifest.version} cannot be evaluated: in the {settings.window_days} day(s) from "
            f"{manifest.cutoff:%Y-%m-%d} nothing happened; materialize more days or widen `evaluation.window_days`"
        )
    counts = np.bincount(learned.item_index, minlength=len(artifact.vocabulary) + 1)
    negatives = manifest.training.interactions if manifest.training else InteractionLossConfig()

    def says(frozen: np.ndarray | None) -> Predictions:
        question = NextItemQuestion(negatives, counts, "cpu", settings.seed)
        return predict(artifact.model, ArgusExamples(after, config, asked, frozen), question=question)

    said = {GROWING: says(None), FROZEN: says(ended_before(after, window.since))}
    scorers = {name: _measured(config, one, settings) for name, one in said.items()}
    truth = said[GROWING]
    rates = (
        ItemRates(learned.item_index, _classes_of(learned, config), len(artifact.vocabulary))
        if config.factors
        else None
    )
    if rates is not None:
        scorers[ITEM_RATE] = _of_rates(config, truth, rates.logits(truth.items), settings)
    return ArgusEvaluation(
        version=manifest.version,
        training_set=manifest.training_set,
        cutoff=manifest.cutoff,
        window_days=settings.window_days,
        seed=settings.seed,
        table_versions=manifest.table_versions,
        users=len(np.unique(truth.users)),
        interactions=len(truth.users),
        negatives=negatives.in_batch + negatives.uniform,
        positives={
            outcome: int((truth.labels[:, place] == klass).sum())
            for place, factor in enumerate(config.factors)
            for klass, outcome in outcomes(config, factor)
        },
        scorers=scorers,
    )


def outcomes(config: ArgusConfig, factor: FactorConfig) -> list[tuple[int, str]]:
    """The classes of a factor that are measured by themselves, with their names: that an action was taken, or each."""
    if factor.action:
        return [(1, factor.name)]
    column = config.column(factor.column)
    if column is not None and column.values:
        return [(klass, f"{factor.name}: {value}") for klass, value in enumerate(column.values)]
    bounds = [f"{edge:g}" for edge in factor.edges]
    names = [f"below {bounds[0]}", *map("{} to {}".format, bounds, bounds[1:]), f"from {bounds[-1]}"]
    return [(klass, f"{factor.name}: {name}") for klass, name in enumerate(names)]


def _measured(config: ArgusConfig, said: Predictions, settings: EvaluationSettings) -> dict[str, Measures]:
    """Every number of the model, by outcome."""
    from models.evaluation.normalised_entropy import feedback_losses, ratio_over_users

    found: dict[str, Measures] = {}
    draws = settings.resamples, settings.seed
    if measure := ratio_over_users(said.next_users, said.next_item, said.unigram, *draws):
        found[NEXT_ITEM] = {"ne": measure}
    for place, factor in enumerate(config.factors):
        if not factor.action and (measure := ratio_over_users(*feedback_losses(said, place), *draws)):
            found[factor.name] = {"ne": measure}
        klasses = outcomes(config, factor)
        logits = np.stack([_log_odds(said.logits[place], klass) for klass, _ in klasses], axis=1)
        found |= _by_class(said, place, klasses, logits, settings)
    return found


def _of_rates(
    config: ArgusConfig, said: Predictions, rates: np.ndarray, settings: EvaluationSettings
) -> dict[str, Measures]:
    """The same of shares by item, (T, outcomes) logits."""
    found: dict[str, Measures] = {}
    done = 0
    for place, factor in enumerate(config.factors):
        klasses = outcomes(config, factor)
        found |= _by_class(said, place, klasses, rates[:, done : done + len(klasses)], settings)
        done += len(klasses)
    return found


def _by_class(
    said: Predictions, place: int, klasses: list[tuple[int, str]], logits: np.ndarray, settings: EvaluationSettings
) -> dict[str, Measures]:
    """Each class of a factor against the others, where it is known."""
    known = said.labels[:, place] >= 0
    if not known.any():
        return {}
    taken = np.stack([said.labels[known, place] == klass for klass, _ in klasses], axis=1)
    numbers = action_metrics(said.users[known], logits[known], taken, settings.resamples, settings.seed)
    return dict(zip((name for _, name in klasses), numbers, strict=True))


def _classes_of(interactions: Interactions, config: ArgusConfig) -> np.ndarray:
    """(L, outcomes) bool; where a class is not known it counts as not taken."""
    from models.argus.features import labels

    columns = {name: interactions.column(name) for name in config.read}
    classes = labels(config, columns, len(interactions.timestamps))
    every = [
        classes[:, place] == klass
        for place, factor in enumerate(config.factors)
        for klass, _ in outcomes(config, factor)
    ]
    return np.stack(every, axis=1)


def _log_odds(log_probabilities: np.ndarray, klass: int) -> np.ndarray:
    """(T,) float32 of one class against all others."""
    own = log_probabilities[:, klass].astype(np.float64)
    others = np.delete(log_probabilities, klass, axis=1).astype(np.float64)
    odds: np.ndarray = (own - np.logaddexp.reduce(others, axis=1)).astype(np.float32)
    return odds
