"""600 users walk a ring of 40 items, twelve steps in two days: settings that nobody made learn what comes next."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.engine import LocalEngine
from assets.evaluation.assets import evaluation
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.items.clean import clean_items
from assets.resources import RayCluster, Storage
from assets.sequences.build import bring_up_to_date
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.splits.settings import EvaluationSettings
from assets.training.assets import hstu_model, hstu_without_content
from assets.training.set_assets import has_evaluation_cases, training_set
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings
from assets.validation.settings import QualitySettings
from assets.versions import artifacts_of
from models.auto import read_section
from models.evaluation.report import VersionEvaluation
from models.manifest import read_manifest
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEMS_TABLE
from storage.staged_files import Staging
from tests.cases.folder import cases
from tests.measured import measured

DAYS = [date(2026, 1, 1), date(2026, 1, 2)]
TRAINING = {"positive_actions": ["view"], "use_content": False, "optimisation": {"seed": 0}}
"""What maps the columns, and a seed."""


@pytest.fixture
def source() -> Files:
    folder = cases("ring")
    tables = {"events": {"path": str(folder / "events.csv"), "timestamp_unit": "s"}}
    return Files(
        FilesSettings.model_validate({"kind": "files", **tables, "items": {"path": str(folder / "items.csv")}}), DAYS[0]
    )


@pytest.fixture
def lake(tmp_path: Path, source: Files) -> Lake:
    lake, quality = Lake(str(tmp_path / "lake")), QualitySettings(actions=("view",))
    raw = {table: source.read(table, source.land(table, DAYS), DAYS) for table in ("events", "items")}
    validator = RowValidator(quality, "string", None, datetime.now(UTC), source.timestamp_unit("events"))
    parts = clean_events(raw["events"], validator, DAYS, rows_in_memory=10**6, scratch=tmp_path)
    lake.replace_days(EVENTS_TABLE, pl.concat([part.accepted for part in parts]), DAYS)
    items = clean_items(raw["items"], quality, "string", DAYS, source.timestamp_unit("items")).accepted
    lake.replace_days(ITEMS_TABLE, items, DAYS)
    with Staging(lake) as staging:
        bring_up_to_date(
            lake, staging, LocalEngine(1), ("view",), "string", timedelta(minutes=30), rows_in_memory=10**6, buckets=2
        )
    return lake


def test_the_next_item_is_first_for_everybody_without_a_setting(lake: Lake, source: Files) -> None:
    training, asked = read_section(TrainingSettings, TRAINING), read_section(EvaluationSettings, {"resamples": 100})
    resources: dict[str, Any] = {
        "lake": Storage(root=lake.root),
        "source": source,
        "training": training,
        "evaluation": asked,
        "set_settings": TrainingSetSettings.of(training, asked),
        "ray": RayCluster(mode="inline"),
    }
    line = [training_set, has_evaluation_cases, hstu_model, hstu_without_content, evaluation]
    with dg.instance_for_test() as instance:
        result = dg.materialize(line, instance=instance, resources=resources)
    (folder,) = artifacts_of(lake).iterdir()
    report = VersionEvaluation.read(folder)
    assert measured(report.protocols["time"], "hstu", "mrr").mean >= 0.95
    assert measured(report.protocols["leave_one_out"], "hstu", "ndcg@10").mean >= 0.95

    manifest = read_manifest(folder)
    assert manifest.training
    assert manifest.chosen["training.optimisation.loss.negatives"].value == manifest.training.loss.negatives == 40
    assert manifest.chosen["evaluation.window_days"].value == report.window_days == 1
    assert manifest.workers == 1
    shown = result.asset_materializations_for_node("hstu_model")[0].metadata["chosen"].value
    assert all(path in str(shown) for path in manifest.chosen)
    skipped = result.asset_materializations_for_node("hstu_without_content")[0].metadata["skipped"].value
    assert "no ablation" in str(skipped)
