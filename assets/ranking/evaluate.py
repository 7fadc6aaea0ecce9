"""The report of a ranker: what it said of what was shown after its cutoff, against what came of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from assets.ranking.dataset import ASKED, HISTORIES
from assets.ranking.off_policy import off_policy
from assets.ranking.ranking_set import RankingSetRecord
from assets.ranking.settings import OffPolicySettings
from assets.ranking.slices import slices_of
from assets.splits.settings import EvaluationSettings
from assets.training.interaction_files import read_columns, read_interactions
from assets.training.set_store import read_record
from assets.versions import RANKING_SETS, RECORD
from models.columns import SURFACE
from models.evaluation.off_policy import PolicyValue
from models.evaluation.reliability import ReliabilityBin
from models.evaluation.report import Measures, WindowEvaluation
from models.manifest import Manifest
from storage.lake import Lake

if TYPE_CHECKING:
    import numpy as np

    from models.artifact import Artifact
    from models.evaluation.own_impressions import Comparison


RANKER, ITEM_QUALITY, ITEM_RATE, BASE_RATE = "ranker", "item_quality", "item_rate", "base_rate"
"""Scorers: the model; how good the item is, whoever saw it; how often an action was taken on it before the cutoff; the
same of all items."""

ALL = ""
"""Everything that was asked, beside its slices."""


class NotEvaluated(ValueError):
    """There is nothing to evaluate; the message says what to change."""


class RankingEvaluation(WindowEvaluation):
    """The whole evaluation of one ranker: what stands in its `evaluation.json`."""

    users: int = Field(ge=1, description="Users to whom something was shown.")
    shown: int = Field(ge=1, description="How often something was shown.")
    taken: dict[str, float] = Field(description="Action to the share of what was shown on which it was taken.")
    scorers: dict[str, dict[str, Measures]] = Field(
        description="Scorer (ranker, item_quality, item_rate, base_rate) to action to metric to number: ne, auc, and "
        "those of each user's own impressions (`models.evaluation.own_impressions`)."
    )
    differences: dict[str, dict[str, Measures]] = Field(
        default={},
        description="Other scorer to action to metric to the paired difference, ranker minus other; pair_uplift is "
        "the ranker's pair accuracy over the other's, minus 1.",
    )
    slices: dict[str, dict[str, dict[str, Measures]]] = Field(
        default={},
        description="Slice to scorer to action to the metrics of each user's own impressions within the slice.",
    )
    reliability: dict[str, list[ReliabilityBin]] = Field(
        default={}, description="Action to what the ranker said and what was done, in ten parts by what it said."
    )
    off_policy: dict[str, dict[str, PolicyValue]] = Field(
        default={},
        description="Action to policy (greedy, softmax) to what it would have earned, choosing by the ranker among the "
        "items of each surface; without `ranking.off_policy` nothing.",
    )


def evaluate_ranker(
    lake: Lake, artifact: Artifact, settings: EvaluationSettings, judged: OffPolicySettings | None = None
) -> RankingEvaluation:
    """Evaluates a ranker on what its own training set holds of the window after its cutoff.

    A user's history is all that had happened before, as in production: the window's own earlier part included.

    Args:
        judged: How what the ranker would have earned is estimated; None: it is not.

    Raises:
        NotEvaluated: nothing was shown there that the ranker knows, or the training set is gone or of another window,
            or holds other propensities.
        ValueError: the model gives a logit that is not finite.
    """
    import numpy as np

    from models.evaluation.action_metrics import action_metrics
    from models.evaluation.item_rates import ItemRates
    from models.evaluation.reliability import reliability
    from models.item_quality import ItemQuality
    from models.ranking.examples import RankingExamples
    from models.ranking.predictions import predict

    manifest, config = artifact.manifest, artifact.model.config
    folder, record = training_set_of(lake, manifest, settings, "ranker_model")
    if judged is not None and judged.propensity != record.settings.propensity:
        raise NotEvaluated(
            f"version {manifest.version} cannot be evaluated: ranking.off_policy.propensity is {judged.propensity!r}, "
            f"but its training set was made with {record.settings.propensity or 'none'}; materialize `ranking_set` and "
            "`ranker_model` again, or leave `ranking.off_policy` out"
        )
    settings = settings.model_copy(update={"window_days": record.settings.evaluation.window_days})
    since, until = (int(moment.timestamp() * 1000) for moment in (manifest.cutoff, manifest.cutoff + settings.window))
    try:
        examples = RankingExamples(read_interactions(folder, ASKED), config, since, until)
    except ValueError as error:
        raise NotEvaluated(
            f"version {manifest.version} cannot be evaluated: in the {settings.window_days} day(s) from "
            f"{manifest.cutoff:%Y-%m-%d} nothing was shown that it knows; materialize more days or widen "
            "`evaluation.window_days`"
        ) from error
    learned = RankingExamples(read_interactions(folder, HISTORIES), config)
    items, taken = learned.items, learned.taken()
    counted = ItemRates(items, taken, len(artifact.vocabulary))
    quality = ItemQuality(learned.owners, items, taken, len(artifact.vocabulary))
    said = predict(artifact.model, examples)
    scorers = {
        RANKER: said.logits,
        ITEM_QUALITY: quality.logits(examples.items),
        ITEM_RATE: counted.logits(examples.items),
        BASE_RATE: counted.base_logits(len(said.users)),
    }
    measured = {
        name: action_metrics(said.users, logits, said.taken, settings.resamples, settings.seed)
        for name, logits in scorers.items()
    }
    surfaces = read_columns(folder).categories.get(SURFACE, ())
    compared = {
        name: _compare(said.users, scorers, said.taken, config.actions, mask, settings)
        for name, mask in {
            ALL: np.ones(len(said.users), bool),
            **slices_of(examples, learned, len(artifact.vocabulary), surfaces),
        }.items()
    }
    return RankingEvaluation(
        version=manifest.version,
        training_set=manifest.training_set,
        cutoff=manifest.cutoff,
        window_days=settings.window_days,
        seed=settings.seed,
        table_versions=manifest.table_versions,
        users=len(np.unique(said.users)),
        shown=len(said.users),
        taken=dict(zip(config.actions, said.taken.mean(axis=0).tolist(), strict=True)),
        scorers={name: dict(zip(config.actions, numbers, strict=True)) for name, numbers in measured.items()},
        differences=_by_scorer({action: found.differences for action, found in compared.pop(ALL).items()}),
        slices={
            name: _by_scorer({action: found.scorers for action, found in actions.items()})
            for name, actions in compared.items()
        },
        reliability={
            action: reliability(said.logits[:, place], said.taken[:, place])
            for place, action in enumerate(config.actions)
        },
        off_policy=off_policy(artifact.model, examples, config.actions, judged, settings.resamples, settings.seed)
        if judged
        else {},
    )


def _compare(
    users: np.ndarray,
    scorers: Mapping[str, np.ndarray],
    taken: np.ndarray,
    actions: Sequence[str],
    mask: np.ndarray,
    settings: EvaluationSettings,
) -> dict[str, Comparison]:
    """Action to how the scorers order what each user was shown of the slice."""
    from models.evaluation.own_impressions import compare

    return {
        action: compare(
            users[mask],
            {name: logits[mask, place] for name, logits in scorers.items()},
            taken[mask, place],
            RANKER,
            settings.resamples,
            settings.seed,
        )
        for place, action in enumerate(actions)
    }


def _by_scorer(found: Mapping[str, Mapping[str, Measures]]) -> dict[str, dict[str, Measures]]:
    """Scorer to action to metrics, of action to scorer to metrics."""
    return {scorer: {action: of[scorer] for action, of in found.items()} for scorer in next(iter(found.values()))}


def training_set_of(
    lake: Lake, manifest: Manifest, settings: EvaluationSettings, maker: str
) -> tuple[Path, RankingSetRecord]:
    """The version's own, whatever training sets were made since, and its record.

    Args:
        maker: The asset that trains such versions.

    Raises:
        NotEvaluated: it is gone, or of another window.
    """
    refusal = f"version {manifest.version} cannot be evaluated"
    folder = lake.folder(RANKING_SETS) / manifest.training_set
    if not (manifest.training_set and (folder / RECORD).exists()):
        raise NotEvaluated(
            f"{refusal}: its training set {manifest.training_set or '(it names none)'} is not in "
            f"{lake.folder(RANKING_SETS)}, as it was deleted, which forgetting a person does to all, or made by "
            f"earlier code; materialize `ranking_set` and `{maker}` for a version that can"
        )
    record = read_record(folder, RankingSetRecord)
    made = record.settings.evaluation.window_days
    if made != settings.window_days and "window_days" not in settings.left_to_data:
        raise NotEvaluated(
            f"{refusal}: evaluation.window_days is {settings.window_days}, but its training set was made with {made}; "
            f"materialize `ranking_set` and `{maker}` again, or set it back"
        )
    return folder, record
