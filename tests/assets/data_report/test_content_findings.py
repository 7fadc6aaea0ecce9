"""What does not fit in what is known of the items is said in one sentence."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.data_report.evidence import Evidence
from assets.data_report.report import DataReport
from assets.validation.quarantine import replace_quarantine, write_quarantine
from storage.lake import Lake
from storage.staged_files import Staging
from tests.assets.data_report.worlds import FIRST, START, only, reported, walks
from tests.assets.training.test_set_assets import lake as lake_of_three_days

lake = lake_of_three_days

ITEMS = [f"i{n}" for n in range(20)]


def report(folder: Path, of_items: dict[str, list[Any]], **section: Any) -> DataReport:
    """On a catalogue with these columns beside the ids."""
    quality = section.pop("quality", None)
    pl.DataFrame({"item_id": ITEMS, **of_items}, strict=False).write_parquet(folder / "items.parquet")
    return reported(folder, walks(), items={"path": str(folder / "items.parquet"), **section}, quality=quality)


@pytest.mark.parametrize(
    ("values", "decimal", "what", "advice"),
    [
        (
            [f"{n},50" for n in range(20)],
            ".",
            "20 rows of the catalogue have a value such as '0,50', '1,50', '10,50' in 'price', which is no number and "
            "is left out, so that none of 20 items has one",
            'write `decimal: ","` in `source.items`',
        ),
        (
            [f"{n}.50" for n in range(20)],
            ",",
            "20 rows of the catalogue have a value such as '0.50', '1.50', '10.50' in 'price', which is no number and "
            "is left out, so that none of 20 items has one",
            'write `decimal: "."` in `source.items`',
        ),
        (
            ["n/a", *(f"${n}.50" for n in range(19))],
            ".",
            "1 row of the catalogue has a value such as 'n/a' in 'price', which is no number and is left out, so that "
            "19 of 20 items have one",
            "nothing, if no number is known of these; else write them as plain numbers",
        ),
        (
            ["low", "high"] * 10,
            ".",
            "20 rows of the catalogue have a value such as 'high', 'low' in 'price', which is no number and is left "
            "out, so that none of 20 items has one",
            "write them as plain numbers; or if they are names, put the column among `tags`",
        ),
        ([""] * 20, ".", "no item has a value in 'price'", "map the column that has them, or leave it out"),
        (
            [3] * 20,
            ".",
            "all items have the same number in 'price', which tells none from another",
            "leave it out",
        ),
    ],
)
def test_numbers_that_are_none_or_tell_nothing(
    tmp_path: Path, values: list[Any], decimal: str, what: str, advice: str
) -> None:
    columns = {"cost": "price"}
    found = report(tmp_path, {"price": values}, numbers=["cost"], columns=columns, decimal=decimal)
    finding = only(found, "source.items.numbers")
    assert (finding.what, finding.advice, finding.stops) == (what, advice, False)


def test_names_that_no_two_items_share(tmp_path: Path) -> None:
    shared = report(tmp_path, {"brand": ["a|b", "b|c", *"defghijklmnopqrstu"[:18]]}, tags=["brand"])
    assert shared.findings == []
    alone = report(tmp_path, {"brand": [f"{n}|{n}" for n in range(20)]}, tags=["brand"])
    assert only(alone, "source.items.tags").what.startswith("no two of 20 items share a name in 'brand'")
    none = report(tmp_path, {"brand": [None] * 20}, tags=["brand"])
    assert only(none, "source.items.tags").what.startswith("no item has a name in 'brand'")


def test_images_that_are_too_large(tmp_path: Path) -> None:
    images = {"image_bytes": [b"four" if n < 3 else None for n in range(20)]}
    found = only(report(tmp_path, images, quality={"items": {"max_image_bytes": 3}}), "quality.items.max_image_bytes")
    assert found.what == "3 images of more than 3 bytes are left out"


@pytest.mark.parametrize(
    ("since", "key", "what", "advice"),
    [
        ("2025-12-24", "columns.available_from", "20 rows of the catalogue have a", "write `timestamp_unit: iso`"),
        ("1924-12-24", "columns.available_from", "20 rows of the catalogue have a", "write `timestamp_unit: iso`"),
        ("soon", "columns.available_from", "20 rows of the catalogue have a", "look at source.items.columns"),
        (START // 1_000, "timestamp_unit", "available_from of 20 of 20 items lies in 1970", "if that cannot be"),
        (20_251_224, "timestamp_unit", "available_from of 20 of 20 items lies in 1970", "if that cannot be"),
    ],
)
def test_times_of_items_in_another_unit(tmp_path: Path, since: object, key: str, what: str, advice: str) -> None:
    found = only(report(tmp_path, {"available_from": [since] * 20}), f"source.items.{key}")
    assert found.what.startswith(what)
    assert found.advice.startswith(advice)


def test_a_lake_tells_what_its_items_lost(tmp_path: Path, lake: Lake) -> None:
    trimmed = report(tmp_path, {"price": ["n/a"] * 20}, numbers=["price"]).seen.evidence.items_trimmed
    with Staging(lake) as staging:
        days = sorted(trimmed.examples["day"].unique())
        replace_quarantine(lake, "items", write_quarantine(staging, trimmed.examples), days)
    found = Evidence.of_lake(lake, (FIRST, FIRST))
    assert found.items_trimmed.at_fault(*found.items_trimmed.reasons["reason"]) == {"price": 20}
    assert found.items_put_aside.rows == 0
