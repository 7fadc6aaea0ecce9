"""Training sets for tests that begin behind the tables, put where the asset `training_set` puts its own."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from assets.splits.settings import EvaluationSettings
from assets.training.set_store import keep
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings, record_of
from assets.versions import DATASETS
from storage.lake import Lake


def put_training_set(lake: Lake, draft: Path, cutoff: datetime, **evaluation: Any) -> str:
    """Puts what `write_training_set` wrote to `draft` in its place; returns its name.

    Args:
        evaluation: Settings by which it was split.
    """
    settings = TrainingSetSettings.of(
        TrainingSettings(positive_actions=("click",)), EvaluationSettings.model_validate(evaluation)
    )
    record = record_of(draft, settings, cutoff, cutoff + timedelta(days=1), {})
    keep(lake, DATASETS, draft, record)
    return record.name
