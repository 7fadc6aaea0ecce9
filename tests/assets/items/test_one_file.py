"""A catalogue that is one file, written whole each night: what it lists is there, what it no longer lists is gone."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.items.catalogue import catalogue, gone_at
from storage.lake import Lake
from tests.assets.evaluation.nights import land_items

FIRST = date(2026, 3, 1)
OLD = {f"old{n}": None for n in range(30)}
LATER = date(2026, 12, 1)


def night(number: int) -> date:
    return FIRST + timedelta(days=number)


def write(path: Path, listed: Mapping[str, int | None]) -> None:
    """`listed`: item to the number of its launch day."""
    lines = [f"{item},{'' if day is None else night(day)}" for item, day in listed.items()]
    path.write_text("\n".join(["item_id,available_from", *lines]) + "\n")


def launched(until: int) -> dict[str, int | None]:
    return OLD | {f"new{n}": n for n in range(1, until + 1)}


def gone(lake: Lake) -> dict[str, int]:
    return {item: (moment.date() - FIRST).days for item, moment in gone_at(lake, LATER).collect().iter_rows()}


@pytest.mark.parametrize("snapshot", ["auto", "full"])
@pytest.mark.parametrize("ahead", [0, 3])
def test_an_item_with_a_launch_day_stays_until_the_file_lacks_it(tmp_path: Path, snapshot: str, ahead: int) -> None:
    lake, path = Lake(str(tmp_path / "lake")), tmp_path / "catalogue.csv"
    for number in range(6):
        write(path, launched(number + ahead))
        land_items(lake, str(path), [night(number)], FIRST, snapshot=snapshot, timestamp_unit="iso")
        assert gone(lake) == {}
    left = {item: day for item, day in launched(6 + ahead).items() if item not in ("new2", "old7")}
    write(path, left)
    land_items(lake, str(path), [night(6)], FIRST, snapshot=snapshot, timestamp_unit="iso")
    assert gone(lake) == {"new2": 6, "old7": 6}
    moments = dict(catalogue(lake).select("item_id", pl.col("available_from")).collect().iter_rows())
    assert moments["new5"] == datetime(2026, 3, 6, tzinfo=UTC)
    assert moments["old3"] == datetime(2026, 3, 1, tzinfo=UTC)


def test_an_item_that_is_launched_again_is_not_gone(tmp_path: Path) -> None:
    lake, path = Lake(str(tmp_path / "lake")), tmp_path / "catalogue.csv"
    for number in range(6):
        write(path, OLD | {"new": 1 if number < 4 else 40})
        land_items(lake, str(path), [night(number)], FIRST, timestamp_unit="iso")
    assert gone(lake) == {}
