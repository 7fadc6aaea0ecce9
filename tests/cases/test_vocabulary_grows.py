"""Trained with [view, click], then an action comes in front: the old version still reads clicks as clicks."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.engine import LocalEngine
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.sequences.build import bring_up_to_date
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.validation.settings import QualitySettings
from models.interaction_frames import positive_interactions
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.sequence_store import SEQUENCES_TABLE
from storage.staged_files import Staging
from tests.cases.folder import cases

FIRST = date(2026, 1, 1)
GAP = timedelta(minutes=30)
DAYS = [FIRST + timedelta(days=n) for n in range(14)]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The events of the case."""
    lake, path = Lake(str(tmp_path)), str(cases("vocabulary_grows") / "events.csv")
    tables = {"events": {"path": path}, "items": {"path": path}}
    source = Files(FilesSettings.model_validate({"kind": "files"} | tables), FIRST)
    raw = source.read("events", source.land("events", DAYS), DAYS)
    validator = RowValidator(QualitySettings(actions=("view", "click")), "string", None, datetime.now(UTC))
    parts = clean_events(raw, validator, DAYS, rows_in_memory=10**6, scratch=tmp_path)
    rows = pl.concat([part.accepted for part in parts])
    assert rows.height == 1080
    lake.replace_days(EVENTS_TABLE, rows, DAYS)
    return lake


def update(lake: Lake, actions: Sequence[str]) -> int:
    with Staging(lake) as staging:
        bring_up_to_date(lake, staging, LocalEngine(1), actions, "string", GAP, rows_in_memory=10**6, buckets=2)
    return lake.version(SEQUENCES_TABLE)


def read(lake: Lake, version: int, actions: Sequence[str]) -> pl.DataFrame:
    return positive_interactions(lake.sequences(version), lake.action_bits(actions, version)).sort(pl.all()).collect()


def test_clicks_stay_clicks(lake: Lake) -> None:
    old, new = update(lake, ["view", "click"]), update(lake, ["impression", "view", "click"])
    assert read(lake, old, ["click"]).height == 360
    assert read(lake, old, ["click"]).equals(read(lake, new, ["click"]))


def test_a_vocabulary_without_what_the_log_holds_is_a_sentence(lake: Lake) -> None:
    update(lake, ["view", "click"])
    with pytest.raises(ValueError, match="the table 'events' holds the action 'click'"):
        update(lake, ["impression", "view"])
