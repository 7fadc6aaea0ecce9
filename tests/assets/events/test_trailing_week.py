"""Days of events against the days before them, on a real Dagster instance."""

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
from assets.partitions import partitions
from assets.resources import Storage
from assets.sources.assets import raw_events, raw_items
from assets.sources.settings import open_source
from assets.validation.settings import QualitySettings
from assets.validation.statistics import EVENT_STATISTICS_TABLE
from storage.lake import Lake

DAYS = [partitions.start.date() + timedelta(days=n) for n in range(5)]
START = int(partitions.start.timestamp()) * 1000
MINUTE = 60_000
MIX = "action_mix_distance_in_range"
DRIFT = {f"{name}_ratio_in_range" for name in ("volume", "user", "item", "gap")} | {MIX}
SHARES = {"duplicate_share_in_range", "unknown_item_share_in_range"}


def land(folder: Path, day: int, count: int, action: str = "view") -> None:
    first = START + day * 1440 * MINUTE
    rows = [
        {"user_id": n % 40, "item_id": n % 7, "timestamp": first + n * MINUTE, "action": action} for n in range(count)
    ]
    catalogue = [{"item_id": n, "title": str(n)} for n in range(7)]
    for table, content in (("events", rows), ("items", catalogue)):
        path = folder / table / f"{DAYS[day]}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(row) + "\n" for row in content))


def run(
    folder: Path, instance: dg.DagsterInstance, first: int, last: int, quality: dict[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    source = {"kind": "files"} | {table: {"path": f"{folder}/{table}/{{day}}.jsonl"} for table in ("events", "items")}
    return dg.materialize(
        [raw_events, raw_items, items, events],
        instance=instance,
        raise_on_error=False,
        resources={
            "lake": Storage(root=str(folder / "lake"), id_type="int64"),
            "source": open_source(source, landing=str(folder), first_day=DAYS[0]),
            "quality": QualitySettings.model_validate(quality or {}),
        },
        tags={
            "dagster/asset_partition_range_start": DAYS[first].isoformat(),
            "dagster/asset_partition_range_end": DAYS[last].isoformat(),
        },
    )


def checks(result: dg.ExecuteInProcessResult) -> dict[str, dg.AssetCheckEvaluation]:
    found = result.get_asset_check_evaluations()
    return {check.check_name: check for check in found if check.asset_key == dg.AssetKey("events")}


def known(folder: Path) -> list[tuple[date, int]]:
    rows = Lake(str(folder / "lake")).scan(EVENT_STATISTICS_TABLE).collect()
    return rows.select("day", "rows").sort("day").rows()


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as quick:
        yield quick


@pytest.fixture
def landed(tmp_path: Path) -> Path:
    for day in range(4):
        land(tmp_path, day, 200)
    land(tmp_path, 4, 120, action="like")
    return tmp_path


def test_the_first_days_are_not_measured_and_say_that_there_is_no_week_yet(
    landed: Path, instance: dg.DagsterInstance
) -> None:
    result = run(landed, instance, 0, 2)
    assert result.success
    evaluated = checks(result)
    assert evaluated.keys() >= DRIFT | SHARES
    for name in DRIFT:
        assert (evaluated[name].passed, evaluated[name].severity) == (False, dg.AssetCheckSeverity.WARN)
        assert str(evaluated[name].description).startswith("not measured: no trailing week yet")
        assert evaluated[name].metadata["measured"].value is False
    assert all(evaluated[name].passed and evaluated[name].metadata["measured"].value for name in SHARES)
    assert [evaluated[name].metadata["observed_value"].value for name in sorted(SHARES)] == [0.0, 0.0]
    assert known(landed) == [(day, 200) for day in DAYS[:3]]


def test_a_strange_day_warns_and_a_profile_can_make_it_block(landed: Path, instance: dg.DagsterInstance) -> None:
    assert run(landed, instance, 0, 3).success
    volume = "volume_ratio_in_range"
    strict = {"drift": {"volume_ratio": [0.9, 1.1]}, "severity": {f"events.{volume}": "block"}}
    refused = run(landed, instance, 4, 4, strict)
    assert not refused.success
    assert checks(refused)[volume].severity == dg.AssetCheckSeverity.ERROR
    assert known(landed) == [(day, 200) for day in DAYS[:4]]
    warned = run(landed, instance, 4, 4)
    assert warned.success
    evaluated = checks(warned)
    assert {name for name in DRIFT | SHARES if not evaluated[name].passed} == {MIX}
    assert evaluated[MIX].severity == dg.AssetCheckSeverity.WARN
    assert evaluated[volume].metadata["observed_value"].value == 0.6
    assert known(landed)[-1] == (DAYS[4], 120)


def test_a_day_run_again_is_judged_against_the_same_days(landed: Path, instance: dg.DagsterInstance) -> None:
    together = run(landed, instance, 0, 4)
    again = run(landed, instance, 3, 3)
    for name in DRIFT:
        told = checks(again)[name].metadata["observed_value"].value
        assert told == (0.0 if name == MIX else 1.0)
        several = checks(together)[name].metadata
        ends = ("observed_value", "observed_value") if "observed_value" in several else ("observed_min", "observed_max")
        assert told in {several[end].value for end in ends}
    assert known(landed) == [*((day, 200) for day in DAYS[:4]), (DAYS[4], 120)]


def test_events_of_unknown_items_are_counted_where_they_are_accepted(
    landed: Path, instance: dg.DagsterInstance
) -> None:
    lenient = {"reject_unknown_items": False}
    (landed / "items" / f"{DAYS[0]}.jsonl").write_text(json.dumps({"item_id": 0, "title": "zero"}) + "\n")
    evaluated = checks(run(landed, instance, 0, 0, lenient))
    unknown = evaluated["unknown_item_share_in_range"]
    rows = pl.Series(range(200)) % 7
    assert not unknown.passed
    assert unknown.metadata["observed_value"].value == (rows > 0).mean()
