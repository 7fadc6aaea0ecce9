import os
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.partitions import partitions
from assets.resources import Storage
from assets.sources.assets import raw_events, raw_items
from assets.sources.ledger import fingerprint, landed_files, ledger_frame
from assets.sources.settings import open_source
from assets.sources.source import LandedFile, SourceError
from storage.lake import Lake

FIRST = partitions.start.date()
DAYS = [date.fromordinal(FIRST.toordinal() + n) for n in range(3)]
WORLD = {"kind": "demo_world", "events": 5_000}


def _materialize(folder: Path, source: dict, first: date, last: date, raises: bool = True) -> dg.ExecuteInProcessResult:
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        return dg.materialize(
            [raw_events, raw_items],
            instance=instance,
            raise_on_error=raises,
            resources={
                "lake": Storage(root=str(folder / "lake"), id_type="int64"),
                "source": open_source(source, landing=str(folder / "landing"), first_day=FIRST),
            },
            tags={
                "dagster/asset_partition_range_start": first.isoformat(),
                "dagster/asset_partition_range_end": last.isoformat(),
            },
        )


def test_a_run_over_days_lands_every_day_once(tmp_path: Path) -> None:
    result = _materialize(tmp_path, WORLD, DAYS[0], DAYS[2])
    lake = Lake(str(tmp_path / "lake"))
    events, items = landed_files(lake, "events", DAYS), landed_files(lake, "items", DAYS)
    assert [file.day for file in events] == [file.day for file in items] == DAYS
    assert [file.bytes for file in events] == [os.path.getsize(file.path) for file in events]
    made = result.asset_materializations_for_node("raw_events")
    for file, one in zip(events, made, strict=True):
        assert one.partition == file.day.isoformat()
        assert one.metadata["files"].value == 1
        assert one.metadata["bytes"].value == file.bytes
        assert one.metadata["rows_in_files"].value == pl.scan_parquet(file.path).select(pl.len()).collect().item()
        assert not {"dagster/row_count", "dagster/partition_row_count"} & one.metadata.keys()
    assert ["sample" in one.metadata for one in made] == [False, False, True]
    assert "impression" in str(made[-1].metadata["sample"].value)
    assert made[-1].metadata["days"].value == 3


def test_landing_again_changes_neither_files_nor_data_version(tmp_path: Path) -> None:
    first = _materialize(tmp_path, WORLD, DAYS[0], DAYS[1])
    before = landed_files(Lake(str(tmp_path / "lake")), "events", DAYS[:2])
    second = _materialize(tmp_path, WORLD, DAYS[0], DAYS[1])
    assert landed_files(Lake(str(tmp_path / "lake")), "events", DAYS[:2]) == before
    for node in ("raw_events", "raw_items"):
        made = [result.asset_materializations_for_node(node)[0].tags or {} for result in (first, second)]
        versions = [tags["dagster/data_version"] for tags in made]
        assert versions[0] == versions[1]


def test_one_day_more_leaves_the_other_days_alone(tmp_path: Path) -> None:
    _materialize(tmp_path, WORLD, DAYS[0], DAYS[1])
    lake = Lake(str(tmp_path / "lake"))
    before = landed_files(lake, "items", DAYS[:2])
    _materialize(tmp_path, WORLD, DAYS[2], DAYS[2])
    assert landed_files(lake, "items", DAYS[:2]) == before
    assert lake.days("raw_items") == DAYS


def test_a_missing_file_fails_the_run_and_leaves_the_ledger_unwritten(tmp_path: Path) -> None:
    files = {
        "kind": "files",
        "events": {"path": str(tmp_path / "{day}.csv")},
        "items": {"path": str(tmp_path / "i.csv")},
    }
    assert not _materialize(tmp_path, files, DAYS[0], DAYS[0], raises=False).success
    assert not Lake(str(tmp_path / "lake")).exists("raw_events")


def test_a_day_that_never_landed_is_an_error_that_names_it(tmp_path: Path) -> None:
    _materialize(tmp_path, WORLD, DAYS[0], DAYS[0])
    with pytest.raises(SourceError, match=rf"no landed events file for {DAYS[1]} \(and 1 more days\).*raw_events"):
        landed_files(Lake(str(tmp_path / "lake")), "events", DAYS)


def test_fingerprint_follows_day_name_and_content_but_not_the_time_of_writing(tmp_path: Path) -> None:
    one = tmp_path / "one.csv"
    one.write_text("a")
    landed = fingerprint([LandedFile.at(one, DAYS[0])])
    os.utime(one, (1, 1))
    assert fingerprint([LandedFile.at(one, DAYS[0])]) == landed
    assert fingerprint([LandedFile.at(one, DAYS[1])]) != landed
    one.write_text("b")
    assert fingerprint([LandedFile.at(one, DAYS[0])]) != landed


def test_ledger_frame_is_sorted_by_day_and_file(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).write_text(name)
    files = [LandedFile.at(tmp_path / name, day) for day in (DAYS[1], DAYS[0]) for name in ("b", "a")]
    frame = ledger_frame(files)
    assert frame["day"].to_list() == [DAYS[0], DAYS[0], DAYS[1], DAYS[1]]
    assert [Path(path).name for path in frame["source_file"]] == ["a", "b", "a", "b"]
