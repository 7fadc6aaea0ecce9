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
from assets.items.assets import items
from assets.items.catalogue import gone_at
from assets.partitions import partitions
from assets.resources import Storage
from assets.sources.assets import raw_events, raw_items
from assets.sources.settings import open_source
from assets.validation.settings import QualitySettings
from storage.lake import Lake
from storage.schema import IdType

FIRST = partitions.start.date()
NEXT = FIRST + timedelta(days=1)
START = int(partitions.start.timestamp()) * 1000
DAY_MS = 86_400_000
SHARE = "rejected_share_in_range"
ROWS = "every_day_has_events"


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
    first: date = FIRST,
    raise_on_error: bool = False,
) -> dg.ExecuteInProcessResult:
    source = {"kind": "files"} | {table: {"path": f"{folder}/{table}/{names}"} for table in ("events", "items")}
    rules = QualitySettings.model_validate(quality or {})
    return dg.materialize(
        [raw_events, raw_items, items, events],
        instance=instance,
        raise_on_error=raise_on_error,
        resources={
            "lake": Storage(root=str(folder / "lake"), id_type=id_type),
            "source": open_source(source, landing=str(folder), first_day=FIRST, declared=rules.columns),
            "quality": rules,
        },
        tags={
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        },
    )


def checks(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dg.AssetCheckEvaluation]:
    found = [e for e in result.get_asset_check_evaluations() if e.asset_key == dg.AssetKey(asset)]
    return {evaluation.check_name: evaluation for evaluation in found}


def table(folder: Path, name: str) -> pl.DataFrame:
    return Lake(str(folder / "lake")).scan(name).collect()


def shown(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, dict[str, Any]]:
    """Day to what the UI shows of it."""
    made = result.asset_materializations_for_node(asset)
    return {str(one.partition): {name: value.value for name, value in one.metadata.items()} for one in made}


def versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    assert result.success
    made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
    return {one.asset_key.to_user_string(): (one.tags or {})["dagster/data_version"] for one in made}


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
    told = shown(result, "events")
    counts = ("rows_in", "rows_accepted", "rows_rejected", "dagster/partition_row_count")
    assert {day: tuple(metadata[name] for name in counts) for day, metadata in told.items()} == {
        FIRST.isoformat(): (40, 39, 1, 39),
        NEXT.isoformat(): (20, 20, 0, 20),
    }
    assert told[FIRST.isoformat()]["quarantined_unknown_action"] == 1
    assert "quarantined_unknown_action" not in told[NEXT.isoformat()]
    assert told[NEXT.isoformat()]["dagster/row_count"] == 59
    assert "dagster/row_count" not in told[FIRST.isoformat()]
    assert [day["dagster/partition_row_count"] for day in shown(result, "items").values()] == [2, 2]
    assert Path(str(told[FIRST.isoformat()]["data_docs"]).removeprefix("file://")).is_file()
    for asset in (events, items):
        evaluated = checks(result, asset.key.to_user_string())
        assert set(evaluated) == {spec.name for spec in asset.check_specs}
        measured = [e for e in evaluated.values() if "measured" not in e.metadata or e.metadata["measured"].value]
        assert all(evaluation.passed for evaluation in measured)
        assert {e.check_name.removesuffix("_in_range") for e in evaluated.values() if e not in measured} <= NEEDS_A_WEEK


def test_days_that_are_made_again_show_the_whole_table_and_each_its_own_rows(
    landed: Path, instance: dg.DagsterInstance
) -> None:
    run(landed, instance, NEXT)
    again = shown(run(landed, instance), "events")
    assert {day: metadata["dagster/partition_row_count"] for day, metadata in again.items()} == {FIRST.isoformat(): 40}
    assert again[FIRST.isoformat()]["dagster/row_count"] == 60


def test_columns_are_described(landed: Path, instance: dg.DagsterInstance) -> None:
    result = run(landed, instance)
    for asset in ("events", "items"):
        columns = shown(result, asset)[FIRST.isoformat()]["dagster/column_schema"].columns
        assert {column.name for column in columns} == set(table(landed, asset).columns)
        assert all(column.description for column in columns)


def test_data_versions_follow_content_and_settings_and_nothing_else(landed: Path, instance: dg.DagsterInstance) -> None:
    first = versions(run(landed, instance, NEXT))
    assert versions(run(landed, instance, NEXT)) == first
    stricter = versions(run(landed, instance, NEXT, quality={"max_rejected_share": 0.04}))
    assert {asset for asset in first if stricter[asset] != first[asset]} == {"items", "events"}
    land(landed, "events", NEXT, log(19, day=1))
    changed = versions(run(landed, instance, NEXT))
    assert {asset for asset in first if changed[asset] != first[asset]} == {"raw_events", "events"}


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
        "10 timestamp_too_old (in timestamp: before quality.earliest; is the source's time unit right?)"
        in failure.user_failure_data.description
    )


def test_a_profile_can_soften_and_harden_a_check(landed: Path, instance: dg.DagsterInstance) -> None:
    value = "value_in_range"
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


def test_old_bad_lines_of_one_growing_log_do_not_block_the_next_night(
    landed: Path, instance: dg.DagsterInstance
) -> None:
    (landed / "items" / "all.jsonl").write_text((landed / "items" / f"{FIRST}.jsonl").read_text())
    path, bad = landed / "events" / "all.jsonl", "".join(f'{{"user_id": {n}, "item\n' for n in range(5))
    lines = ["".join(json.dumps(row) + "\n" for row in log(*of_day)) for of_day in ((200, 0), (20, 1), (20, 2))]
    path.write_text(lines[0] + bad)
    assert run(landed, instance, names="all.jsonl").success
    path.write_text(lines[0] + bad + lines[1])
    result = run(landed, instance, NEXT, names="all.jsonl", first=NEXT)
    assert result.success, "5 of 25 would be more than the share that blocks"
    assert shown(result, "events")[str(NEXT)]["rows_rejected"] == 0
    assert table(landed, "quarantine").select("day", "source_row").rows() == [(FIRST, 200 + n) for n in range(5)]
    path.write_text(lines[0] + bad + lines[1] + bad[:20] + "\n" + lines[2])
    third = NEXT + timedelta(days=1)
    assert run(landed, instance, third, names="all.jsonl", first=third).success
    held = table(landed, "quarantine").sort("source_row").select("day", "source_row").rows()
    assert held == [*((FIRST, 200 + n) for n in range(5)), (third, 225)]
    assert run(landed, instance, names="all.jsonl").success
    assert table(landed, "quarantine").sort("source_row").select("day", "source_row").rows() == held
    assert table(landed, "events").height + len(held) == len(path.read_text().splitlines())


def test_rows_of_no_day_of_the_profile_are_counted_and_said(
    landed: Path, instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    (landed / "items" / "all.jsonl").write_text((landed / "items" / f"{FIRST}.jsonl").read_text())
    rows = [*log(40), *log(3, day=-1), *log(2, day=-400), *log(20, day=1)]
    (landed / "events" / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    result = run(landed, instance, NEXT, names="all.jsonl")
    assert result.success
    assert shown(result, "events")[str(NEXT)]["rows_outside_profile"] == 5
    assert f"5 rows of the files are left out: no day from {FIRST} on is theirs" in capfd.readouterr().err
    assert table(landed, "events").height == 60
    alone = run(landed, instance, names="all.jsonl")
    assert shown(alone, "events")[str(FIRST)]["rows_outside_profile"] == 5, "rows of other days are no such rows"


def test_a_day_without_events_is_no_failure_where_the_log_is_sparse(landed: Path, instance: dg.DagsterInstance) -> None:
    (landed / "items" / "all.jsonl").write_text((landed / "items" / f"{FIRST}.jsonl").read_text())

    def judged(rows: list[dict[str, Any]], first: int, last: int) -> dg.AssetCheckEvaluation:
        (landed / "events" / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        begin, end = (FIRST + timedelta(days=days) for days in (first, last))
        result = run(landed, instance, end, names="all.jsonl", first=begin)
        assert result.success
        return checks(result, "events")[ROWS]

    sparse = [row for day in (1, 3, 4, 8) for row in log(5, day=day)]
    assert judged(sparse, 0, 9).passed
    quiet = judged(sparse, 9, 9)
    assert quiet.description == "not measured: no event was due, by the few of the week before"
    dense = [row for day in range(5) for row in log(150, day=day)]
    outage = judged(dense, 0, 6)
    assert not outage.passed
    assert "2 of 8 days" in (outage.description or ""), "days 5 and 6, of seven and the run"
    assert not judged(dense, 5, 5).passed
    nothing = judged(log(5, day=30), 0, 3)
    assert "1 of 5 days" in (nothing.description or ""), "of four days and the run that speaks for them"


@pytest.mark.parametrize("time", [None, "soon"])
def test_rows_of_no_day_spoil_no_day_of_a_run_of_many(
    landed: Path, instance: dg.DagsterInstance, time: str | None
) -> None:
    (landed / "items" / "all.jsonl").write_text((landed / "items" / f"{FIRST}.jsonl").read_text())
    undated = [{"user_id": n, "item_id": 1, "timestamp": time, "action": "view"} for n in range(20)]
    rows = [row for day in range(5) for row in log(110, day=day)]
    (landed / "events" / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *undated]))
    last = FIRST + timedelta(days=4)
    result = run(landed, instance, last, names="all.jsonl")
    assert result.success, "20 of 570, although 20 of 130 on the first day"
    assert shown(result, "events")[str(FIRST)]["rows_rejected"] == 20
    assert table(landed, "quarantine").select(pl.col("day").unique()).to_series().to_list() == [FIRST]
    rule, check = ("max_rejected_share", SHARE) if time else ("max_without_time_share", "without_time_share_in_range")
    strict = run(landed, instance, last, names="all.jsonl", quality={rule: 0.03})
    assert not strict.success
    assert "is broken by 1 of " in (checks(strict, "events")[check].description or ""), "the run as a whole, and no day"
    bad = [{**row, "action": "zap"} for row in log(20)]
    (landed / "events" / "all.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, *bad]))
    assert not run(landed, instance, last, names="all.jsonl").success, "rows of the day itself still spoil it"
