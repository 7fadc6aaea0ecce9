"""Rejected rows are kept whole and replaced by origin and day."""

import json
from datetime import date, datetime
from pathlib import Path

import polars as pl

from assets.validation.quarantine import MEANINGS, Reason, by_reason, quarantined, replace_quarantine, write_quarantine
from storage.lake import Lake
from storage.schema import QUARANTINE_SCHEMA, QUARANTINE_TABLE
from storage.staged_files import Staging

DAY = date(2026, 1, 1)
NEXT = date(2026, 1, 2)


def put_aside(day: date, origin: str, reasons: list[str | None]) -> pl.DataFrame:
    rows = pl.DataFrame({"a": range(len(reasons)), "day": day, "source_file": "f", "source_row": range(len(reasons))})
    return quarantined(rows, pl.Series(reasons, dtype=pl.String), origin)


def test_a_rejected_row_is_whole_json() -> None:
    raw = pl.DataFrame(
        {
            "text": ['say "hi"\n', None],
            "number": [float("inf"), 1.0],
            "bytes": [b"\xff\x00", None],
            "nested": [{"deep": [b"x", None]}, None],
            "time": [datetime(2026, 1, 1, 12), None],
            "day": [DAY, DAY],
            "source_file": ["f", "f"],
            "source_row": [4, 5],
        }
    )
    rows = quarantined(raw, pl.Series(["malformed", None], dtype=pl.String), "events")
    assert rows.schema == pl.Schema(QUARANTINE_SCHEMA)
    assert rows.select("origin", "day", "reason", "source_file", "source_row").rows() == [
        ("events", DAY, "malformed", "f", 4)
    ]
    assert json.loads(rows["row"][0]) == {
        "text": 'say "hi"\n',
        "number": "inf",
        "bytes": "/wA=",
        "nested": {"deep": ["eA==", None]},
        "time": "2026-01-01 12:00:00",
    }


def test_replacing_touches_only_its_origin_and_days(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    runs: list[tuple[date, str, list[str | None]]] = [
        (DAY, "events", ["malformed", "duplicate"]),
        (NEXT, "events", ["malformed"]),
        (DAY, "items", ["null_key"]),
        (DAY, "events", [None]),
    ]
    for day, origin, reasons in runs:
        with Staging(lake) as staging:
            files = write_quarantine(staging, put_aside(day, origin, reasons))
            replace_quarantine(lake, origin, files, [day])
    rows = lake.scan(QUARANTINE_TABLE).select("origin", "day", "reason").sort("origin").collect()
    assert rows.rows() == [("events", NEXT, "malformed"), ("items", DAY, "null_key")]


def test_reasons_are_counted_and_explained() -> None:
    counts = by_reason(
        pl.DataFrame(
            {
                "reason": ["wrong_type", "malformed", "wrong_type", "wrong_type"],
                "at_fault": ["sku", None, "sku, time", "sku"],
                "rows": [1, 1, 1, 1],
            }
        )
    )
    assert counts.drop("meaning").rows() == [("wrong_type", 3, "sku; sku, time"), ("malformed", 1, "")]
    assert counts["meaning"][1] == "the source could not parse the row"
    assert set(MEANINGS) == set(Reason)
    assert max(map(len, MEANINGS.values())) <= 60, "the UI's tables cut longer cells"
