"""Events of many days are on record as Dagster itself would have them, and checks are about the run."""

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from orchestration.environment import FIXED, dagster_home
from orchestration.event_log import EventLog

daily = dg.DailyPartitionsDefinition("2026-01-01", end_date="2026-02-01")
ONE, OTHER = dg.AssetKey("one"), dg.AssetKey("other")
DAYS = daily.get_partition_keys()[:12]


@dg.asset(
    partitions_def=daily,
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=[dg.AssetCheckSpec("full", asset="one")],
)
def one(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    for day in context.partition_keys:
        context.add_asset_metadata({"rows": int(day[-2:])}, partition_key=day)
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)], data_version=dg.DataVersion("7"))


@dg.asset(partitions_def=daily, deps=[one], backfill_policy=dg.BackfillPolicy.single_run())
def other() -> None:
    pass


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> dg.DagsterInstance:
    for name, value in {"DAGSTER_HOME": str(dagster_home("shop")), **FIXED}.items():
        monkeypatch.setenv(name, value)
    # Small, so that a run has several batches.
    monkeypatch.setenv("DAGSTER_EVENT_BATCH_SIZE", "5")
    return dg.DagsterInstance.get()


def run(instance: dg.DagsterInstance) -> str:
    tags = {ASSET_PARTITION_RANGE_START_TAG: DAYS[0], ASSET_PARTITION_RANGE_END_TAG: DAYS[-1]}
    done = dg.materialize([one, other], instance=instance, tags=tags)
    assert done.success
    return done.run_id


def test_every_day_is_on_record_once_and_tells_its_own(instance: dg.DagsterInstance) -> None:
    run_id = run(instance)
    assert isinstance(instance.event_log_storage, EventLog)
    for key in (ONE, OTHER):
        made = instance.fetch_materializations(key, limit=100).records
        assert sorted(record.partition_key or "" for record in made) == DAYS
        assert instance.get_materialized_partitions(key) == set(DAYS)
        (asset,) = instance.get_asset_records([key])
        assert asset.asset_entry.last_materialization_record == made[0]
        assert asset.asset_entry.last_run_id == run_id
    for record in instance.fetch_materializations(ONE, limit=100).records:
        materialization = record.asset_materialization
        assert materialization
        assert materialization.metadata["rows"].value == int(str(record.partition_key)[-2:])
        assert (materialization.tags or {})["dagster/data_version"] == "7"


def test_a_check_has_one_result_of_a_run_whatever_days_the_run_has(instance: dg.DagsterInstance) -> None:
    run(instance)
    history = instance.event_log_storage.get_asset_check_execution_history(dg.AssetCheckKey(ONE, "full"), limit=100)
    assert [record.status for record in history] == [AssetCheckExecutionRecordStatus.SUCCEEDED]


def test_a_batch_is_stored_as_its_events_would_be_one_by_one(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run_id = run(instance)
    events = [record.event_log_entry for record in instance.get_records_for_run(run_id, limit=1000).records]
    told = [event for event in events if event.dagster_event and event.dagster_event.asset_key]
    single, batched = SqliteEventLogStorage(str(tmp_path / "single")), EventLog(str(tmp_path / "batched"))
    for event in told:
        single.store_event(event)
    batched.store_event_batch(told)
    for storage in (single, batched):
        storage.register_instance(instance)
    for key in (ONE, OTHER):
        kept = [storage.fetch_materializations(key, limit=100).records for storage in (single, batched)]
        assert kept[0] == kept[1]
        planned = [storage.get_latest_planned_materialization_info(key) for storage in (single, batched)]
        assert planned[0] == planned[1]
    assert single.get_logs_for_run(run_id) == batched.get_logs_for_run(run_id)
    assert [r.asset_entry for r in single.get_asset_records()] == [r.asset_entry for r in batched.get_asset_records()]
    assert single.get_event_tags_for_asset(ONE) == batched.get_event_tags_for_asset(ONE)


def test_a_batch_that_fails_leaves_nothing_behind(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    run_id = run(instance)
    events = [record.event_log_entry for record in instance.get_records_for_run(run_id, limit=1000).records]
    told = [event for event in events if event.dagster_event and event.dagster_event.asset_key]
    storage = EventLog(str(tmp_path / "log"))
    broken = told[-1]._replace(timestamp=None)  # type: ignore[arg-type]
    with pytest.raises(Exception, match=r"."):
        storage.store_event_batch([*told, broken])
    assert storage.get_logs_for_run(run_id) == []
    assert not storage.fetch_materializations(ONE, limit=100).records
