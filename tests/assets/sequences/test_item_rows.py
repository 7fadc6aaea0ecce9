"""Items get rows, and no row ever changes its item, whoever adds to the table at the same time."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sequences.item_rows import catalogue_with_rows, extend_item_rows
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, items_schema
from storage.sequence_store import ITEM_ROWS_TABLE
from tests.assets.sequences.test_build import events, put, update

FIRST = date(2026, 1, 1)


def items(*named: tuple[str, int]) -> pl.LazyFrame:
    """(item, day of January)"""
    rows = [(item, FIRST.replace(day=day)) for item, day in named]
    return pl.LazyFrame(rows, {"item_id": pl.String, "day": pl.Date}, orient="row")


def rows_of(lake: Lake) -> dict[str, int]:
    table = lake.scan(ITEM_ROWS_TABLE).collect()
    assert sorted(table["row"].to_list()) == list(range(1, table.height + 1))
    return dict(table.select("item_id", "row").iter_rows())


def test_who_adds_at_the_same_time_agrees_on_every_row(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    first = dict(extend_item_rows(lake, items(("b", 2), ("a", 2), ("z", 1))).iter_rows())
    assert first == {"z": 1, "a": 2, "b": 3}
    wanted = [[(f"{name}{n % 5}", 3) for n in range(name_at, name_at + 4)] for name_at, name in enumerate("ccddee")]
    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(lambda some: dict(extend_item_rows(lake, items(*some)).iter_rows()), wanted))
    final = rows_of(lake)
    assert final.keys() == first.keys() | {item for some in wanted for item, _ in some}
    for some, told in zip(wanted, seen, strict=True):
        assert {item for item, _ in some} <= told.keys()
        assert told.items() <= final.items()
    assert first.items() <= final.items()


def test_the_catalogue_gets_rows_after_the_events_and_only_once(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put(
        lake,
        events([("u", "late", 5, "click", None, None, None, 0), ("u", "x", 1, "impression", None, None, None, 1)]),
        0,
    )
    update(lake)
    before = rows_of(lake)
    schema = items_schema("string")
    listed = pl.DataFrame({"item_id": ["new", "late", "older", "new"], "day": [3, 1, 2, 4]}).with_columns(
        pl.date(2026, 1, "day").alias("day")
    )
    missing = [pl.lit(None, dtype).alias(name) for name, dtype in schema.items() if name not in listed.columns]
    lake.overwrite(ITEMS_TABLE, listed.with_columns(missing).select(pl.col(n).cast(t) for n, t in schema.items()))
    pinned = lake.interactions()
    catalogue = catalogue_with_rows(lake)
    assert catalogue["item_id"].to_list() == ["new", "late", "older", "new"]
    assert rows_of(lake) == before | {"older": 3, "new": 4}
    version = lake.version(ITEM_ROWS_TABLE)
    catalogue_with_rows(lake)
    assert lake.version(ITEM_ROWS_TABLE) == version
    # A version of the sequences that was opened before reads on: its rows are where they were.
    (part,) = pinned.parts()
    names = [pinned.item_ids()[row - 1] for row in part.interactions.item_index.tolist()]
    assert sorted(names) == ["late", "x"]


@settings(max_examples=15, deadline=None)
@given(steps=st.lists(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 9)), max_size=4), max_size=4))
def test_rows_only_grow(tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[str, int]]]) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    known: dict[str, int] = {}
    for step in steps:
        now = dict(extend_item_rows(lake, items(*step)).iter_rows())
        assert known.items() <= now.items()
        assert now.keys() == known.keys() | {item for item, _ in step}
        known = now
