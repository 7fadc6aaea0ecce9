"""The instance of a profile as Dagster opens it from `dagster.yaml`."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy

from orchestration import environment


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = environment.dagster_home("shop")
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    return folder


def test_runs_and_schedules_wait_for_a_lock_for_half_a_minute(folder: Path) -> None:
    with dg.DagsterInstance.get() as instance:
        storages: tuple[Any, ...] = (instance.run_storage, instance.schedule_storage)
        for storage in storages:
            with storage.connect() as connection:
                assert connection.execute(sqlalchemy.text("PRAGMA busy_timeout")).scalar() == 30_000
                assert connection.execute(sqlalchemy.text("PRAGMA journal_mode")).scalar() == "wal"


def test_a_run_is_kept_where_it_was_kept_before(folder: Path) -> None:
    """In `history/runs.db`, where instances without a class of their own have it."""
    own = (folder / "dagster.yaml").read_text()
    (folder / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    with dg.DagsterInstance.get() as instance:
        instance.add_run(dg.DagsterRun(job_name="line", run_id="0" * 8))
    (folder / "dagster.yaml").write_text(own)
    with dg.DagsterInstance.get() as instance:
        assert [run.job_name for run in instance.get_runs()] == ["line"]


def test_processes_that_start_side_by_side_make_it_together(folder: Path) -> None:
    opened = [sys.executable, "-c", "import dagster; dagster.DagsterInstance.get().get_runs_count()"]
    started = [subprocess.Popen(opened, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    told = [process.communicate()[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, told
