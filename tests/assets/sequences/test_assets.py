"""The asset `sequences` on a real Dagster instance, from logs whose request ids are some, or none."""

import csv
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.events.assets import events
from assets.items.assets import items
from assets.partitions import partitions
from assets.resources import Storage
from assets.sequences.assets import sequences
from assets.sources.assets import raw_events, raw_items
from assets.sources.settings import open_source
from assets.validation.settings import QualitySettings
from storage.lake import Lake

FIRST = partitions.start.date()
START = int(partitions.start.timestamp()) * 1000
MINUTE, DAY = 60_000, 86_400_000
DAYS, USERS, REQUESTS = 3, 20, 4


def run(log: Path, lake: Path) -> dg.ExecuteInProcessResult:
    """From the landing file to the sequences."""
    items_file = write([{"item_id": f"i{number}"} for number in range(REQUESTS)], log.with_name("items.csv"))
    source = {"kind": "files", "events": {"path": str(log)}, "items": {"path": str(items_file)}}
    return dg.materialize(
        [raw_events, raw_items, items, events, sequences],
        resources={
            "lake": Storage(root=str(lake), id_type="string"),
            "source": open_source(source, landing=str(lake), first_day=FIRST),
            "quality": QualitySettings(),
        },
        tags={
            "dagster/asset_partition_range_start": FIRST.isoformat(),
            "dagster/asset_partition_range_end": (FIRST + timedelta(days=DAYS - 1)).isoformat(),
        },
    )


def check_of(result: dg.ExecuteInProcessResult) -> dg.AssetCheckEvaluation:
    return next(
        check for check in result.get_asset_check_evaluations() if check.check_name == "reused_request_share_in_range"
    )


def clicks(request: Callable[[int, int, int], object]) -> list[dict[str, object]]:
    """Each user clicks the same items every day, some requests a day, each of an impression and a click."""
    return [
        {
            "user_id": f"u{user}",
            "item_id": f"i{number}",
            "timestamp": START + day * DAY + number * 90 * MINUTE + later,
            "action": action,
            "request_id": request(day, user, number),
        }
        for day in range(DAYS)
        for user in range(USERS)
        for number in range(REQUESTS)
        for action, later in (("impression", 0), ("click", MINUTE))
    ]


def write(rows: list[dict[str, object]], path: Path) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


@pytest.mark.parametrize(
    ("request_of", "passes"),
    [
        pytest.param(lambda day, user, number: f"{day}-{user}-{number}", True, id="a request each"),
        pytest.param(lambda day, user, number: f"{day}-{number}", True, id="a counter that all users share"),
        pytest.param(lambda day, user, number: number, False, id="a counter that starts over each day"),
        pytest.param(lambda day, user, number: f"{day}-{user}", False, id="a name of the whole day"),
        pytest.param(lambda day, user, number: "0", False, id="a constant"),
    ],
)
def test_a_warning_says_that_the_column_is_no_request_id(
    request_of: Callable[[int, int, int], object], passes: bool, tmp_path: Path
) -> None:
    result = run(write(clicks(request_of), tmp_path / "log.csv"), tmp_path / "lake")
    check = check_of(result)
    assert check.passed == passes
    assert passes or "request_id is a counter that starts over, or a constant" in (check.description or "")
    assert not check.blocking
    lengths = Lake(str(tmp_path / "lake")).sequences().collect()["item_ids"].list.len()
    assert lengths.to_list() == [DAYS * REQUESTS] * USERS


def test_without_request_ids_there_is_nothing_to_warn_of(tmp_path: Path) -> None:
    rows = [{key: value for key, value in row.items() if key != "request_id"} for row in clicks(lambda *_: None)]
    assert check_of(run(write(rows, tmp_path / "log.csv"), tmp_path / "lake")).passed
