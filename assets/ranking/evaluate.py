"""The report of a ranker: what it said of what was shown after its cutoff, against what came of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from assets.ranking.dataset import ASKED, HISTORIES
from assets.ranking.ranking_set import RankingSetRecord
from assets.splits.settings import EvaluationSettings
from assets.training.dataset import read_interactions
from assets.training.set_store import read_record
from assets.versions import RANKING_SETS, RECORD
from models.evaluation.report import EVALUATION, Measures
from models.manifest import Manifest
from models.strict import Strict
from storage.lake import Lake

if TYPE_CHECKING:
    from models.artifact import Artifact


RANKER, ITEM_RATE, BASE_RATE = "ranker", "item_rate", "base_rate"
"""Scorers: the model; how often an action was taken on the item before the cutoff; the same of all items."""


class NotEvaluated(ValueError):
    """There is nothing to evaluate; the message says what to change."""


class RankingEvaluation(Strict):
    """The whole evaluation of one ranker: what stands in its `evaluation.json`."""

    version: str = Field(description="The version that was evaluated.")
    training_set: str = Field(default="", description="The training set that holds what it was asked.")
    cutoff: datetime = Field(description="Its training data end before this instant (UTC).")
    window_days: int = Field(ge=1, description="Days after the cutoff that hold what it is asked about.")
    seed: int = Field(description="Seed of the bootstrap.")
    table_versions: dict[str, int] = Field(description="Delta version of every table that was read.")
    users: int = Field(ge=1, description="Users to whom something was shown.")
    shown: int = Field(ge=1, description="How often something was shown.")
    taken: dict[str, float] = Field(description="Action to the share of what was shown on which it was taken.")
    scorers: dict[str, dict[str, Measures]] = Field(
        description="Scorer (ranker, item_rate, base_rate) to action to metric to number: ne, auc, and gauc, weighted "
        "by how much was shown to each user."
    )

    def write(self, folder: Path) -> Path:
        """Writes `evaluation.json` into the version's `folder`, whole or not at all."""
        path, partial = folder / EVALUATION, folder / f".{EVALUATION}.partial"
        partial.write_text(self.model_dump_json(indent=2))
        partial.replace(path)
        return path


def evaluate_ranker(lake: Lake, artifact: Artifact, settings: EvaluationSettings) -> RankingEvaluation:
    """Evaluates a ranker on what its own training set holds of the window after its cutoff.

    A user's history is all that had happened before, as in production: the window's own earlier part included.

    Raises:
        NotEvaluated: nothing was shown there that the ranker knows, or the training set is gone or of another window.
        ValueError: the model gives a logit that is not finite.
    """
    import numpy as np

    from models.evaluation.action_metrics import action_metrics
    from models.evaluation.item_rates import ItemRates
    from models.ranking.examples import RankingExamples
    from models.ranking.predictions import predict

    manifest, config = artifact.manifest, artifact.model.config
    folder, window_days = _training_set(lake, manifest, settings)
    settings = settings.model_copy(update={"window_days": window_days})
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
    counted = ItemRates(learned.items, learned.taken(), len(artifact.vocabulary))
    said = predict(artifact.model, examples)
    scorers = {
        RANKER: said.logits,
        ITEM_RATE: counted.logits(examples.items),
        BASE_RATE: counted.base_logits(len(said.users)),
    }
    measured = {
        name: action_metrics(said.users, logits, said.taken, settings.resamples, settings.seed)
        for name, logits in scorers.items()
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
    )


def _training_set(lake: Lake, manifest: Manifest, settings: EvaluationSettings) -> tuple[Path, int]:
    """The ranker's own, whatever training sets were made since, and the days of its window."""
    refusal = f"version {manifest.version} cannot be evaluated"
    folder = lake.folder(RANKING_SETS) / manifest.training_set
    if not (manifest.training_set and (folder / RECORD).exists()):
        raise NotEvaluated(
            f"{refusal}: its training set {manifest.training_set or '(it names none)'} is not in "
            f"{lake.folder(RANKING_SETS)}, as it was deleted, which forgetting a person does to all, or made by "
            "earlier code; materialize `ranking_set` and `ranker_model` for a version that can"
        )
    made = read_record(folder, RankingSetRecord).settings.evaluation.window_days
    if made != settings.window_days and "window_days" not in settings.left_to_data:
        raise NotEvaluated(
            f"{refusal}: evaluation.window_days is {settings.window_days}, but its training set was made with {made}; "
            "materialize `ranking_set` and `ranker_model` again, or set it back"
        )
    return folder, made
