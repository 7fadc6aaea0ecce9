"""The latest description of each item."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from assets.compatibility import require_compatible
from assets.items.catalogue import catalogue, catalogue_at
from storage.lake import Lake, TableMissing
from storage.schema import ITEMS_TABLE, items_schema

FIRST, SECOND = date(2026, 1, 1), date(2026, 1, 2)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    rows = [(2, "two", FIRST), (1, "old", FIRST), (1, "new", SECOND), (3, "three", SECOND)]
    frame = pl.DataFrame(
        [
            {"item_id": i, "title": t, "categories": [], "available_from": datetime(2026, 1, 1, tzinfo=UTC), "day": d}
            for i, t, d in rows
        ],
        schema=items_schema("int64"),
    )
    lake.replace_days(ITEMS_TABLE, frame, [FIRST, SECOND])
    return lake


def test_the_latest_row_before_a_day_wins(lake: Lake) -> None:
    def titles(until: date | None) -> list[tuple]:
        return catalogue(lake, until).sort("item_id").select("item_id", "title").collect().rows()

    assert titles(None) == [(1, "new"), (2, "two"), (3, "three")]
    assert titles(SECOND) == [(1, "old"), (2, "two")]
    assert titles(FIRST) == []
    assert catalogue(lake).collect_schema() == pl.Schema(items_schema("int64"))


def test_what_an_item_became_later_is_not_known_at_the_cutoff_but_that_there_is_one_is(lake: Lake) -> None:
    def titles(cutoff: date) -> list[tuple]:
        return catalogue_at(lake, cutoff).sort("item_id").select("item_id", "title").collect().rows()

    assert titles(SECOND) == [(1, "old"), (2, "two"), (3, "three")]
    assert titles(FIRST) == [(1, "old"), (2, "two"), (3, "three")]
    assert titles(date(2026, 1, 3)) == catalogue(lake).sort("item_id").select("item_id", "title").collect().rows()


def test_a_catalogue_that_was_never_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableMissing, match="materialize the asset 'items' first"):
        catalogue(Lake(str(tmp_path)))


def test_a_table_of_before_tags_and_numbers_is_read_and_grows(tmp_path: Path) -> None:
    lake, later = Lake(str(tmp_path)), ["tags", "numbers"]
    schema = items_schema("int64")
    row = {"categories": [], "available_from": datetime(2026, 1, 1, tzinfo=UTC)}
    old = pl.DataFrame([{**row, "item_id": n, "day": FIRST} for n in (1, 2)], schema=schema).drop(later)
    lake.replace_days(ITEMS_TABLE, old, [FIRST])
    require_compatible(lake, "int64")
    before = catalogue(lake).collect()
    assert dict(before.schema) == schema
    assert before.select(later).rows() == [(None, None)] * 2
    tagged = row | {"item_id": 2, "day": SECOND, "tags": ["brand=x"], "numbers": [{"name": "year", "value": 1.0}]}
    lake.replace_days(ITEMS_TABLE, pl.DataFrame([tagged], schema=schema), [SECOND])
    after = catalogue(lake).sort("item_id").collect()
    assert dict(after.schema) == schema
    assert after["tags"].to_list() == [None, ["brand=x"]]
    assert after["numbers"].to_list() == [None, [{"name": "year", "value": 1.0}]]
    with pytest.raises(ValueError, match="has the columns"):
        lake.replace_days(ITEMS_TABLE, old.with_columns(day=pl.lit(SECOND)), [SECOND])
