"""Runs from the terminal, on a line of two synthetic assets and a real Dagster instance."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from storage.places import plain

TWO_STAGES = """
import os, sys
import dagster as dg
from datetime import date
from orchestration import environment
from orchestration.profile import load_profile

profile = load_profile(sys.argv[1])
environment.apply(profile)
from assets.partitions import partitions
import orchestration.definitions as definitions
from orchestration import runs, turns
from orchestration.resources import build_resources

one_run = dg.BackfillPolicy.single_run()

@dg.asset(partitions_def=partitions, backfill_policy=one_run)
def days(context):
    print("a library talks")
    context.log.info("2 of 3 done")
    if os.environ.get("TEST_DIES"):
        os.kill(os.getpid(), 9)
    return dg.MaterializeResult(metadata={"dagster/row_count": len(context.partition_keys)})

@dg.asset(deps=[days], backfill_policy=one_run, check_specs=[dg.AssetCheckSpec("full", asset="total")])
def total(lake: dg.ResourceParam[object]):
    if os.environ.get("TEST_FAILS"):
        raise ValueError("file x is broken: repair it") from OSError("a library's words")
    return dg.MaterializeResult(
        check_results=[dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="3 [b] of 7")]
    )

definitions.defs = lambda: dg.Definitions(
    [days, total],
    jobs=[dg.define_asset_job("line", dg.AssetSelection.all())],
    executor=turns.executor(environment.run_lock(profile)),
    resources={"lake": build_resources(profile)["lake"]},
)
given = [date.fromisoformat(day) for day in os.environ.get("TEST_DAYS", "").split(":") if day]
try:
    runs.materialize(profile, tuple(given) or None, os.environ.get("TEST_SELECT"))
except runs.RunError as error:
    print("RunError:", error)
    sys.exit(1)
"""


@pytest.fixture
def line(tmp_path: Path, home: Path) -> Path:
    (tmp_path / "two_stages.py").write_text(TWO_STAGES)
    (tmp_path / "shop.yaml").write_text(
        "{first_day: 2026-01-01, last_day: 2026-01-04, source: {kind: demo_world}, "
        "training: {positive_actions: [click]}}"
    )
    return tmp_path


def run(line: Path, profile: str = "shop", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "ignore", str(line / "two_stages.py"), str(line / f"{profile}.yaml")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture
def instance(home: Path, line: Path) -> Iterator[dg.DagsterInstance]:
    """The instance that the runs write to, opened after the first of them."""
    assert run(line).returncode == 0
    with dg.DagsterInstance.from_config(str(plain(home / "shop" / "dagster"))) as found:
        yield found


def test_one_run_materializes_every_day_and_what_follows(line: Path, instance: dg.DagsterInstance) -> None:
    assert instance.get_materialized_partitions(dg.AssetKey("days")) == {"2026-01-01", "2026-01-02", "2026-01-03"}
    event = instance.get_latest_materialization_event(dg.AssetKey("total"))
    assert event
    assert event.asset_materialization
    assert event.asset_materialization.partition is None
    assert len(instance.get_runs()) == 1


def test_progress_tells_stages_rows_log_lines_and_failed_checks_and_nothing_else(line: Path) -> None:
    shown = run(line).stdout
    assert [text.strip().split(" in ")[0] for text in shown.splitlines() if text.strip()] == [
        "1/2 days",
        "2 of 3 done",
        "done",
        "2/2 total",
        "check full of total failed: 3 [b] of 7",
        "done",
    ]
    assert ", 3 rows" in shown


def test_a_failure_is_one_sentence(line: Path) -> None:
    result = run(line, TEST_FAILS="1")
    assert result.returncode == 1
    assert "RunError: stage total failed: ValueError: file x is broken: repair it" in result.stdout


def test_another_profiles_tables_are_refused_before_the_first_stage(line: Path) -> None:
    shop = (line / "shop.yaml").read_text().replace("{first_day", f"{{lake: {{root: '{line}/lake'}}, first_day")
    for name in ("shop", "other"):
        (line / f"{name}.yaml").write_text(shop)
    assert run(line).returncode == 0
    result = run(line, "other")
    assert result.returncode == 1
    assert "RunError: the run failed before its first stage" in result.stdout
    assert f"{line}/lake belongs to the profile shop ({line}/shop.yaml)" in result.stdout


def test_days_and_selection_narrow_the_run(line: Path, home: Path) -> None:
    assert run(line, TEST_DAYS="2026-01-02:2026-01-03", TEST_SELECT="days").returncode == 0
    with dg.DagsterInstance.from_config(str(plain(home / "shop" / "dagster"))) as instance:
        assert instance.get_materialized_partitions(dg.AssetKey("days")) == {"2026-01-02", "2026-01-03"}
        assert instance.get_latest_materialization_event(dg.AssetKey("total")) is None


def test_a_wrong_request_is_told_before_anything_runs(line: Path, home: Path) -> None:
    for given, sentence in (
        ({"TEST_DAYS": "2026-01-02:2026-01-09"}, "not a range within the profile's days 2026-01-01:2026-01-03"),
        ({"TEST_DAYS": "2026-01-03:2026-01-02"}, "not a range"),
        (
            {"TEST_SELECT": "nothing_like_it"},
            "--select nothing_like_it names something that is not an asset: the line is days, total\n",
        ),
        ({"TEST_SELECT": "days) and"}, "--select days) and is not a selection of assets ("),
    ):
        result = run(line, **given)
        assert result.returncode == 1
        assert sentence in result.stdout
    with dg.DagsterInstance.from_config(str(plain(home / "shop" / "dagster"))) as instance:
        assert not instance.get_runs()


def test_a_killed_run_is_closed_by_the_next_which_is_not_held_up(line: Path, instance: dg.DagsterInstance) -> None:
    assert run(line, TEST_DIES="1").returncode == -signal.SIGKILL
    assert [run.status for run in instance.get_runs(limit=1)] == [dg.DagsterRunStatus.STARTED]
    assert run(line).returncode == 0
    statuses = [run.status for run in instance.get_runs()]
    assert statuses == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.SUCCESS]
