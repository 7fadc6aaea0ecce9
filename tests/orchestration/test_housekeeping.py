"""The jobs that keep the lake small, on a real Dagster instance."""

from pathlib import Path

import dagster as dg

from assets.resources import Storage
from assets.retention.settings import RetentionSettings
from models.columns import DAY
from orchestration.housekeeping import compaction, retention
from storage.lake import Lake
from storage.staged_files import Staging
from tests.assets.sequences.test_build import FIRST, events, put


def test_files_are_joined_and_old_ones_deleted(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    rows = events([(f"u{n}", "a", n, "click", None, None, None, n) for n in range(8)])
    put(lake, rows, 0)
    with Staging(lake) as staging:
        halves = [staging.write("events", rows[4 * n : 4 * n + 4], {DAY: FIRST.isoformat()}, n) for n in range(2)]
        lake.commit_days("events", halves, rows, [FIRST])
    resources = {
        "lake": Storage(root=str(tmp_path)),
        "retention": RetentionSettings.model_validate({"keep_days": 0, "safety_hours": 0}),
    }
    with dg.instance_for_test() as instance:
        for job in (compaction, retention):
            assert job.execute_in_process(instance=instance, resources=resources).success
    assert lake.files("events").height == 1
    assert len(list(Path(lake.uri("events")).rglob("*.parquet"))) == 1
    assert lake.scan("events").collect().equals(rows)
