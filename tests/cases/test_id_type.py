"""The second day is read with ids of another type."""

from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from assets.events.assets import events
from assets.items.assets import items
from assets.partitions import partitions
from assets.resources import Storage
from assets.sources.assets import raw_events, raw_items
from assets.sources.settings import open_source
from assets.validation.settings import QualitySettings
from storage.schema import IdType
from tests.cases.folder import cases

DAYS = [date(2026, 1, 1), date(2026, 1, 2)]


def night(folder: Path, lake: Path, day: date, id_type: IdType) -> bool:
    paths = {"events": f"{folder}/{{day}}.csv", "items": f"{folder}/items.csv"}
    source = {"kind": "files"} | {table: {"path": path} for table, path in paths.items()}
    done = dg.materialize(
        [raw_events, raw_items, items, events],
        resources={
            "lake": Storage(root=str(lake), id_type=id_type),
            "source": open_source(source, landing="", first_day=DAYS[0]),
            "quality": QualitySettings(),
        },
        partition_key=day.isoformat(),
        raise_on_error=False,
    )
    return done.success


@pytest.mark.skipif(not partitions.start.date() <= DAYS[0], reason="these days are no partitions of this environment")
def test_day_two_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    folder, lake = cases("id_type"), tmp_path / "lake"
    assert night(folder, lake, DAYS[0], "int64")
    before = {path for path in lake.rglob("*") if path.is_file()}
    assert not night(folder, lake, DAYS[1], "string")
    assert {path for path in lake.rglob("*") if path.is_file()} == before
    assert night(folder, lake, DAYS[1], "int64")
