"""`items` and `events` on a real Dagster instance, from landing files that a user could have."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest

from assets.events.assets import events
from assets.events.rules import QualitySettings
from assets.items.assets import items
from assets.items.catalogue import gone_at
from assets.lake import Lake
from assets.partitions import daily
from assets.resources import Storage
from assets.schema import IdType
from assets.sources.assets import raw_events, raw_items
from assets.sources.settings import open_source

FIRST = daily.start.date()
NEXT = FIRST + timedelta(days=1)
START = int(daily.start.timestamp()) * 1000
DAY_MS = 86_400_000
SHARE = "expect_column_values_to_be_between__rejected_share"
ROWS = "expect_column_values_to_be_between__rows"


def land(folder: Path, table: str, day: date, rows: list[dict[str, Any]]) -> None:
    path = folder / table / f"{day}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def log(count: int, day: int = 0, **more: Any) -> list[dict[str, Any]]:
    start = START + day * DAY_MS
    return [{"user_id": n, "item_id": n % 2, "timestamp": start + n, "action": "view"} | more for n in range(count)]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as quick:
        yield quick


@pytest.fixture
def stored() -> Iterator[dg.DagsterInstance]:
    """An instance with a database, as `dagster dev` uses."""
    with dg.instance_for_test() as instance:
        yield instance


def run(
    folder: Path,
    instance: dg.DagsterInstance,
    last: date = FIRST,
    quality: dict[str, Any] | None = None,
    names: str = "{day}.jsonl",
    id_type: IdType = "int64",
) -> dg.ExecuteInProcessResult:
    source = {"kind": "files"} | {table: {"path": f"{folder}/{table}/{names}"} for table in ("events", "items")}
    return dg.materialize(
        [raw_events, raw_items, items, events],
        instance=instance,
        raise_on_error=False,
        resources={
            "lake": Storage(root=str(folder / "lake"), id_type=id_type),
            "source": open_source(source, landing=str(folder), first_day=FIRST),
            "quality": QualitySettings.model_validate(quality or {}),
        },
        tags={
            "dagster/asset_partition_range_start": FIRST.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        },
    )


def checks(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    found = [e for e in result.get_asset_check_evaluations() if e.asset_key == dg.AssetKey(asset)]
    return {evaluation.check_name: evaluation for evaluation in found}


def table(folder: Path, name: str) -> pl.DataFrame:
    return Lake(str(folder / "lake")).scan(name).collect()


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    for day in (FIRST, NEXT):
        land(tmp_path, "items", day, [{"item_id": 0, "title": "zero"}, {"item_id": 1, "title": "one"}])
    land(tmp_path, "events", FIRST, log(40))
    land(tmp_path, "events", NEXT, log(20, day=1))
    return tmp_path


NEEDS_A_WEEK = {
    "volume_ratio",
    "user_ratio",
    "item_ratio",
    "action_mix_distance",
    "gap_ratio",
    "duplicate_share",
    "unknown_item_share",
}
"""What the first days, of few rows, say nothing about."""


def test_a_range_of_days_is_one_run_and_every_day_is_published(landed: Path, instance: dg.DagsterInstance) -> None:
    land(landed, "events", FIRST, [*log(39), {"user_id": 9, "item_id": 1, "timestamp": START, "action": "zap"}])
    result = run(landed, instance, NEXT)
    assert result.success
    assert table(landed, "events").group_by("day").len().sort("day").rows() == [(FIRST, 39), (NEXT, 20)]
    assert table(landed, "items").height == 4
    assert table(landed, "quarantine").select("origin", "day", "reason").rows() == [("events", FIRST, "unknown_action")]
    told = result.asset_materializations_for_node("events")[0].metadata
    assert (told["rows_in"].value, told["rows_accepted"].value, told["rows_rejected"].value) == (60, 59, 1)
    assert told["quarantined_unknown_action"].value == 1
    assert Path(str(told["data_docs"].value).removeprefix("file://")).is_file()
    for asset in (events, items):
        evaluated = checks(result, asset.key.to_user_string())
        assert set(evaluated) == {spec.name for spec in asset.check_specs}
        measured = [e for e in evaluated.values() if "measured" not in e.metadata or e.metadata["measured"].value]
        assert all(evaluation.passed for evaluation in measured)
        assert {e.check_name.split("__")[1] for e in evaluated.values() if e not in measured} <= NEEDS_A_WEEK


def test_an_item_that_snapshots_no_longer_list_leaves_that_night_and_a_cut_off_one_takes_nobody_out(
    landed: Path, instance: dg.DagsterInstance
) -> None:
    days = [FIRST + timedelta(days=n) for n in range(4)]
    shop = [{"item_id": item, "title": f"thing {item}"} for item in range(10)]
    for number, there in enumerate((shop, shop, shop[:5] + shop[6:], shop[:4])):
        land(landed, "items", days[number], there)
        land(landed, "events", days[number], log(40, day=number))
    told = checks(run(landed, instance, days[2]), "items")["few_items_leave_at_once"]
    assert (told.passed, told.metadata["items_that_left"].value, told.metadata["whole_days"].value) == (True, 1, 1)
    assert gone_at(Lake(str(landed / "lake")), date.max).collect()["item_id"].to_list() == [5]
    doubtful = run(landed, instance, days[3])
    told = checks(doubtful, "items")["few_items_leave_at_once"]
    assert doubtful.success
    assert (told.passed, told.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert str(told.description).startswith(
        f"{days[3]} lacks 5 of 9 listed items, more than the share 0.2: nobody leaves"
    )
    assert gone_at(Lake(str(landed / "lake")), date.max).collect()["item_id"].to_list() == [5]


def test_running_again_changes_nothing(landed: Path, instance: dg.DagsterInstance) -> None:
    run(landed, instance, NEXT)
    before = table(landed, "events").sort("day", "arrival")
    run(landed, instance)
    assert table(landed, "events").sort("day", "arrival").equals(before)


def test_a_bad_day_is_refused_and_yesterdays_rows_stay(landed: Path, stored: dg.DagsterInstance) -> None:
    run(landed, stored, NEXT)
    before = table(landed, "events").sort("day", "arrival")
    land(landed, "events", FIRST, log(30) + log(10, timestamp=START // 1000))
    result = run(landed, stored)
    assert not result.success
    assert table(landed, "events").sort("day", "arrival").equals(before)
    assert table(landed, "quarantine")["reason"].to_list() == ["timestamp_too_old"] * 10
    failed = checks(result, "events")[SHARE]
    assert (failed.passed, failed.severity, failed.blocking) == (False, dg.AssetCheckSeverity.ERROR, True)
    record = stored.get_latest_asset_check_evaluation_record(dg.AssetCheckKey(dg.AssetKey("events"), SHARE))
    assert record is not None
    assert record.run_id == result.run_id
    (failure,) = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    assert failure.user_failure_data is not None
    assert failure.user_failure_data.description is not None
    assert failure.user_failure_data.description.startswith("events not published, the table is as it was before: ")
    assert (
        "10 timestamp_too_old (before quality.earliest; is the source's time unit right?)"
        in failure.user_failure_data.description
    )


def test_a_profile_can_soften_and_harden_a_check(landed: Path, instance: dg.DagsterInstance) -> None:
    value = "expect_column_values_to_be_between__value"
    bad = log(30, value=-1.0) + log(10, timestamp=START // 1000)
    land(landed, "events", FIRST, bad)
    soft = run(landed, instance, quality={"severity": {f"events.{SHARE}": "warn"}})
    assert soft.success
    assert table(landed, "events").height == 30
    assert checks(soft, "events")[SHARE].severity == dg.AssetCheckSeverity.WARN
    hard = run(landed, instance, quality={"severity": {f"events.{SHARE}": "warn", f"events.{value}": "block"}})
    assert not hard.success
    assert checks(hard, "events")[value].severity == dg.AssetCheckSeverity.ERROR


def test_a_day_without_rows_warns(landed: Path, instance: dg.DagsterInstance) -> None:
    (landed / "events" / f"{FIRST}.jsonl").unlink()
    pl.DataFrame(log(1)).clear().write_parquet(landed / "events" / f"{FIRST}.parquet")
    result = run(landed, instance, names="{day}.*")
    assert result.success
    assert table(landed, "events").height == 0
    empty = checks(result, "events")[ROWS]
    assert (empty.passed, empty.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_an_item_of_a_later_day_is_not_known_yet(landed: Path, instance: dg.DagsterInstance) -> None:
    land(landed, "items", FIRST, [{"item_id": 0, "title": "zero"}])
    lenient = {"max_rejected_share": 1}
    for last in (NEXT, FIRST):
        assert run(landed, instance, last, quality=lenient).success
        known = table(landed, "events").filter(pl.col("day") == FIRST)["item_id"].unique().to_list()
        assert known == [0], "a day in a range is what it is alone"
