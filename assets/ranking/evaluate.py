"""The report of a ranker: what it said of what was shown after its cutoff, against what came of it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from assets.ranking.dataset import all_interactions
from assets.splits.settings import EvaluationSettings
from models.evaluation.report import EVALUATION, Measures
from models.strict import Strict
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE

if TYPE_CHECKING:
    from models.artifact import Artifact


class NothingShown(ValueError):
    """Nothing was shown in the window; the message says what to change."""


class RankingEvaluation(Strict):
    """The whole evaluation of one ranker: what stands in its `evaluation.json`."""

    version: str = Field(description="The version that was evaluated.")
    cutoff: datetime = Field(description="Its training data end before this instant (UTC).")
    window_days: int = Field(ge=1, description="Days after the cutoff that hold what it is asked about.")
    seed: int = Field(description="Seed of the bootstrap.")
    table_versions: dict[str, int] = Field(description="Delta version of every table that was read.")
    users: int = Field(ge=1, description="Users to whom something was shown.")
    shown: int = Field(ge=1, description="How often something was shown.")
    taken: dict[str, float] = Field(description="Action to the share of what was shown on which it was taken.")
    actions: dict[str, Measures] = Field(
        description="Action to metric to number: ne, auc, and gauc, weighted by how much was shown to each user."
    )

    def write(self, folder: Path) -> Path:
        """Writes `evaluation.json` into the version's `folder`, whole or not at all."""
        path, partial = folder / EVALUATION, folder / f".{EVALUATION}.partial"
        partial.write_text(self.model_dump_json(indent=2))
        partial.replace(path)
        return path


def evaluate_ranker(lake: Lake, artifact: Artifact, exposure: str, settings: EvaluationSettings) -> RankingEvaluation:
    """Evaluates a ranker on what was shown in the window after its cutoff, of the data that it was made with.

    A user's history is all that had happened before, as in production: the window's own earlier part included.

    Raises:
        NothingShown: nothing was shown there.
        ValueError: the model gives a logit that is not finite.
    """
    import numpy as np

    from models.evaluation.action_metrics import action_metrics
    from models.ranking.examples import RankingExamples
    from models.ranking.predictions import predict

    manifest, config = artifact.manifest, artifact.model.config
    version = manifest.table_versions[SEQUENCES_TABLE]
    everything = all_interactions(lake.interactions(version), artifact.vocabulary, exposure, config.actions)
    since, until = (int(moment.timestamp() * 1000) for moment in (manifest.cutoff, manifest.cutoff + settings.window))
    try:
        examples = RankingExamples(everything, config, since, until)
    except ValueError as error:
        raise NothingShown(
            f"version {manifest.version} cannot be evaluated: in the {settings.window_days} day(s) from "
            f"{manifest.cutoff:%Y-%m-%d} nothing was shown that it knows; materialize more days or widen `window_days`"
        ) from error
    said = predict(artifact.model, examples)
    measured = action_metrics(said.users, said.logits, said.taken, settings.resamples, settings.seed)
    return RankingEvaluation(
        version=manifest.version,
        cutoff=manifest.cutoff,
        window_days=settings.window_days,
        seed=settings.seed,
        table_versions=manifest.table_versions,
        users=len(np.unique(said.users)),
        shown=len(said.users),
        taken=dict(zip(config.actions, said.taken.mean(axis=0).tolist(), strict=True)),
        actions=dict(zip(config.actions, measured, strict=True)),
    )
