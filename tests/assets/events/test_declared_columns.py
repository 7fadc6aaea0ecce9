"""Columns that a profile declares: mapped by the source, judged as any other, kept in the table."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import polars.selectors as cs
import pytest

from assets.engine import LocalEngine
from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.retention.compact import compact
from assets.sequences.build import bring_up_to_date
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.settings import open_source
from assets.sources.source import SourceError
from assets.validation.quarantine import Cleaned
from assets.validation.quarantine_selection import Selection
from assets.validation.replay import plan_replay
from assets.validation.settings import QualitySettings
from models.declared import DeclaredColumn
from storage.lake import Lake
from storage.schema import DEFAULT_ACTIONS
from storage.staged_files import Staging
from tests.assets.events.test_assets import FIRST, NEXT, land, log, run, table

DAY = date(2026, 1, 1)
NOON = int(datetime(2026, 1, 1, 12, tzinfo=UTC).timestamp() * 1000)
DECLARED = {
    "tab": DeclaredColumn(known="request", type="category"),
    "play_ms": DeclaredColumn(known="outcome", type="number"),
}
QUALITY = {
    "columns": {"tab": {"known": "request", "type": "category"}, "play_ms": {"known": "outcome", "type": "number"}}
}
ROWS: list[dict[str, Any]] = [
    {"page": "home", "play_ms": 1.5},
    {"page": 7, "play_ms": None},
    {"page": None, "play_ms": 0},
    {"page": "a", "play_ms": "soon"},
    {"page": "a", "play_ms": "inf"},
    {"page": "a", "play_ms": "1e39"},
]
"""The last three have no number that a 32-bit float can hold."""


def cleaned(path: Path) -> Cleaned:
    settings = {"kind": "files", "events": {"path": str(path), "columns": {"tab": "page"}}, "items": {"path": "x"}}
    source = Files(FilesSettings.model_validate(settings), DAY, declared=DECLARED)
    raw = source.read("events", source.land("events", [DAY]), [DAY])
    validator = RowValidator(QualitySettings.model_validate(QUALITY), "int64", None, datetime(2026, 1, 2, tzinfo=UTC))
    parts = list(clean_events(raw, validator, [DAY], rows_in_memory=1000, scratch=path.parent))
    return Cleaned(
        pl.concat([pl.DataFrame(schema=validator.schema), *(part.accepted for part in parts)]),
        pl.concat([part.rejected for part in parts]),
        parts[0].trimmed,
    )


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_good_values_are_kept_missing_ones_are_null_and_wrong_ones_put_the_row_aside(form: str, tmp_path: Path) -> None:
    path = tmp_path / f"events.{form}"
    whole = [{"user_id": 1, "item_id": n, "timestamp": NOON + n, "action": "view"} | row for n, row in enumerate(ROWS)]
    if form == "jsonl":
        path.write_text("\n".join(map(json.dumps, whole)))
    else:
        frame = pl.DataFrame(
            [{key: None if value is None else str(value) for key, value in row.items()} for row in whole]
        )
        frame.write_csv(path) if form == "csv" else frame.write_parquet(path)
    result = cleaned(path)
    kept = result.accepted.sort("item_id").select("tab", "play_ms")
    assert kept.rows() == [("home", 1.5), ("7", None), (None, 0.0)]
    assert kept.dtypes == [pl.String, pl.Float32]
    assert result.rejected["reason"].to_list() == ["wrong_type"] * 3
    assert "soon" in result.rejected["row"][0]


def test_a_file_without_a_declared_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("user_id,item_id,timestamp,action,page\n1,1,1,view,home\n")
    with pytest.raises(SourceError, match=r"has no column 'play_ms' for play_ms .* set source.events.columns.play_ms"):
        cleaned(path)


@pytest.mark.parametrize(
    ("source", "columns", "message"),
    [
        ({"kind": "movielens", "path": "x"}, {"tab": ("request", "category")}, "source movielens has no column beside"),
        ({"kind": "kuairand", "path": "x"}, {"table": ("request", "category")}, "'table'.* has tab, is_rand"),
        (
            {"kind": "kuairand", "path": "x"},
            {"play_time_ms": ("request", "number")},
            "in the source kuairand it is out",
        ),
    ],
)
def test_a_source_says_what_it_does_not_have(
    source: dict[str, Any], columns: dict[str, tuple[str, str]], message: str, tmp_path: Path
) -> None:
    declared = {
        name: DeclaredColumn.model_validate({"known": known, "type": kind}) for name, (known, kind) in columns.items()
    }
    with pytest.raises(SourceError, match=message):
        open_source(source, str(tmp_path), DAY, declared)


@pytest.mark.parametrize(
    "name",
    ["user_id", "value", "values", "timestamps", "day", "malformed", "item_row", "reason", "gap"],
)
def test_names_of_the_platform_are_taken(name: str) -> None:
    with pytest.raises(ValueError, match=f"'{name}' .*: give the column another name"):
        QualitySettings.model_validate({"columns": {name: QUALITY["columns"]["tab"]}})


@pytest.mark.parametrize("name", ["", "Tab", "1st", "a b", "tab,", "a-b", "é"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name!r} .*: write small letters"):
        QualitySettings.model_validate({"columns": {name: QUALITY["columns"]["tab"]}})


WORDS = (
    "at class column file fixed good group hash hit hits index int item items key known last literal name named "
    "place plain position rank request row_index step type unit user was where"
)
"""Words of the code and of C++, which are nobody's names."""
FIRST_WORD = "at"


def test_a_name_is_only_a_name(tmp_path: Path) -> None:
    """From landing files over a correction to the sequences, in memory and on disk."""
    kinds = QUALITY["columns"]["play_ms"], QUALITY["columns"]["tab"]
    quality: dict[str, Any] = {
        "columns": {name: kinds[n % 2] for n, name in enumerate(WORDS.split())},
        "max_rejected_share": 1.0,
    }
    values: dict[str, Any] = {name: "x" if n % 2 else n for n, name in enumerate(WORDS.split())}
    land(tmp_path, "items", FIRST, [{"item_id": n, "title": str(n)} for n in range(2)])
    wrong = values | {FIRST_WORD: "none"}
    land(tmp_path, "events", FIRST, [*log(6, **values), *log(2, **values), *log(1, **wrong)])
    lake = Lake(str(tmp_path / "lake"))
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        assert run(tmp_path, instance, quality=quality).success
        fixes = {FIRST_WORD: "5", "action": "click"}
        assert plan_replay(lake, Selection(reason="wrong_type"), fixes, quality["columns"]).corrected == 2
        assert run(tmp_path, instance, quality=quality).success
    kept = table(tmp_path, "events")
    assert kept.filter(pl.col("action") == "click")[FIRST_WORD].to_list() == [5.0]
    assert kept.filter(pl.col("action") == "view").select(*values).unique().rows() == [tuple(values.values())]
    declared = QualitySettings.model_validate(quality).columns
    with Staging(lake) as staging:
        bring_up_to_date(
            lake, staging, LocalEngine(1), DEFAULT_ACTIONS, "int64", timedelta(0), declared, rows_in_memory=10**6
        )
    folded = lake.sequences().select(*values).explode(cs.all()).filter(pl.col(FIRST_WORD) == 0)
    assert folded.unique().collect().rows() == [tuple(values.values())]


def test_a_column_that_is_declared_later_or_no_more_is_null(tmp_path: Path) -> None:
    for day in (0, 1):
        land(tmp_path, "items", FIRST + timedelta(day), [{"item_id": n, "title": str(n)} for n in range(2)])
        land(tmp_path, "events", FIRST + timedelta(day), log(3, day, tab="home", play_ms=1))
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        assert run(tmp_path, instance).success
        before = table(tmp_path, "events")
        assert run(tmp_path, instance, first=NEXT, last=NEXT, quality=QUALITY).success
        both = table(tmp_path, "events")
        assert both.filter(pl.col("day") == FIRST).select(before.columns).equals(before)
        assert both.sort("day")["tab"].to_list() == [None] * 3 + ["home"] * 3
        assert run(tmp_path, instance, first=NEXT, last=NEXT).success
        assert table(tmp_path, "events")["play_ms"].to_list() == [None] * 6
        assert run(tmp_path, instance, quality=QUALITY).success
        assert table(tmp_path, "events").sort("day")["tab"].to_list() == ["home"] * 3 + [None] * 3
        # Files with the column and without it are read, joined and taken apart as one table.
        assert compact(Lake(str(tmp_path / "lake")), ["events"], 10**6) == {}
        there = {path for path in (tmp_path / "lake").rglob("*") if path.is_file()}
        other = {"columns": {"tab": QUALITY["columns"]["play_ms"]}}
        with pytest.raises(ValueError, match=r"holds tab as string, the rows .* as float32: declare .* another name"):
            run(tmp_path, instance, quality=other, raise_on_error=True)
        assert {path for path in (tmp_path / "lake" / "tables" / "events").rglob("*") if path.is_file()} <= there
