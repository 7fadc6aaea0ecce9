"""Columns that a profile declares, folded: the same bytes in any order of days, and null where nothing was said."""

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.engine import LocalEngine
from assets.sequences.build import bring_up_to_date
from models.columns import ITEM_IDS, TIMESTAMPS, USER_ID
from models.declared import NO_COLUMNS, DeclaredColumn, DeclaredColumns
from storage.lake import Lake
from storage.sequence_store import SEQUENCES_TABLE, open_sequences
from storage.staged_files import Staging
from tests.assets.sequences.test_build import ACTIONS_DECLARED, Row, contents, events, ordered, put

DECLARED = {
    "tab": DeclaredColumn(known="request", type="category"),
    "class": DeclaredColumn(known="outcome", type="category"),
    "position": DeclaredColumn(known="request", type="number"),
    "stay_ms": DeclaredColumn(known="outcome", type="number"),
}
NUMBERS = st.sampled_from([None, -0.0, 0.0, 1.5, -2.0])
EVENT = st.tuples(
    st.sampled_from("uvw"),
    st.sampled_from("ab"),
    st.integers(0, 6),
    st.sampled_from(ACTIONS_DECLARED),
    NUMBERS,
    st.sampled_from([None, "home", "away"]),
    st.sampled_from([None, "r", "s"]),
)
MORE = st.tuples(st.sampled_from([None, "b", "a", "é"]), st.sampled_from([None, "z", "y"]), NUMBERS, NUMBERS)
DAYS = st.lists(st.lists(st.tuples(EVENT, MORE), max_size=12), min_size=1, max_size=4)
GAPS = st.sampled_from([timedelta(0), timedelta(seconds=2), timedelta(minutes=30)])
Drawn = Sequence[tuple[Row, tuple[object, ...]]]


def day_of(drawn: Drawn, day: int) -> pl.DataFrame:
    """Events with the declared columns, as the table has them."""
    schema = {"arrival": pl.Int64, "tab": pl.String, "class": pl.String, "position": pl.Float32, "stay_ms": pl.Float32}
    more = pl.DataFrame([(n, *row) for n, (_, row) in enumerate(drawn)], schema=schema, orient="row")
    frame = events([(*row, n) for n, (row, _) in enumerate(drawn)], day).join(more, on="arrival", how="left")
    identity = ["user_id", "item_id", "timestamp", "action"]
    return ordered(frame.sort("arrival").unique(identity, keep="first", maintain_order=True))


def update(lake: Lake, gap: timedelta = timedelta(minutes=30), declared: DeclaredColumns = DECLARED) -> None:
    with Staging(lake) as staging:
        bring_up_to_date(
            lake,
            staging,
            LocalEngine(2),
            ACTIONS_DECLARED,
            "string",
            gap,
            declared,
            rows_in_memory=10**6,
            buckets=2,
        )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


@settings(max_examples=12, deadline=None)
@given(DAYS, GAPS, st.randoms(use_true_random=False))
def test_any_order_of_days_gives_the_same_interactions(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[Drawn], gap: timedelta, shuffled: random.Random
) -> None:
    frames = [day_of(rows, day) for day, rows in enumerate(drawn)]
    nightly, late, whole = (Lake(str(tmp_path_factory.mktemp(name))) for name in ("nightly", "late", "whole"))
    for day, frame in enumerate(frames):
        put(nightly, frame, day)
        update(nightly, gap)
    put(whole, pl.concat(frames), *range(len(frames)))
    update(whole, gap)
    assert contents(nightly) == contents(whole)
    for day in shuffled.sample(range(len(frames)), len(frames)):
        put(late, frames[day], day)
        update(late, gap)
    assert late.sequences().collect().equals(whole.sequences().collect())


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(EVENT, MORE), min_size=1, max_size=30))
def test_each_column_has_the_value_that_its_rule_says(tmp_path_factory: pytest.TempPathFactory, drawn: Drawn) -> None:
    lake, frame = Lake(str(tmp_path_factory.mktemp("lake"))), day_of(drawn, 0)
    put(lake, frame, 0)
    update(lake)
    # Within six seconds no pause is too long: an interaction is what one user did with one item in one request group.
    group = pl.coalesce("request_id", pl.col("timestamp").cast(pl.String))
    expected = frame.group_by("user_id", "item_id", group.alias("group")).agg(
        pl.col("timestamp").max(),
        pl.col("tab").min(),
        pl.col("class").min(),
        pl.col("position").min(),
        pl.col("stay_ms").max(),
    )
    lists = [ITEM_IDS, TIMESTAMPS, *DECLARED]
    found = lake.sequences().select(USER_ID, *lists).explode(lists).collect()
    names = ["user_id", "item_id", "timestamp", *DECLARED]
    found.columns = names
    assert found.sort(names).equals(expected.select(names).sort(names))


def test_readers_are_told_what_the_codes_stand_for_and_when_they_are_known(lake: Lake) -> None:
    put(lake, day_of([(("u", "a", 0, "click", None, "home", None), ("b", None, None, 2.0))], 0), 0)
    put(lake, day_of([(("u", "b", 1, "click", None, "away", None), ("a", None, 3.0, None))], 1), 1)
    update(lake)
    opened = open_sequences(lake.root)
    assert opened.declared == DECLARED
    assert opened.categories == {"surface": ["home", "away"], "tab": ["b", "a"], "class": []}
    (bucket,) = [bucket for _, bucket in opened.buckets() if len(bucket)]
    assert bucket.columns["tab"].tolist() == [0, 1]
    assert bucket.columns["class"].tolist() == [-1, -1]
    assert str(bucket.columns["stay_ms"].tolist()) == "[2.0, nan]"


def test_another_declaration_makes_the_sequences_anew_and_is_null_on_days_of_before(lake: Lake) -> None:
    before = [(("u", "a", 0, "click", None, None, None), ("b", None, None, 2.0))]
    put(lake, day_of(before, 0).drop(*DECLARED), 0)
    update(lake, declared=NO_COLUMNS)
    plain = lake.sequences().collect()
    update(lake)
    assert lake.sequences().select(plain.columns).collect().equals(plain)
    assert lake.sequences().collect()["tab"].to_list() == [[None]]
    put(lake, day_of([(("u", "b", 1, "click", None, None, None), ("a", None, None, None))], 1), 1)
    update(lake)
    assert lake.sequences().collect()["tab"].to_list() == [[None, "a"]]
    put(lake, day_of(before, 0), 0)
    update(lake)
    assert lake.sequences().collect()["tab"].to_list() == [["b", "a"]]
    version = lake.version(SEQUENCES_TABLE)
    fewer = {name: DECLARED[name] for name in ("tab", "stay_ms")}
    update(lake, declared=fewer)
    assert lake.version(SEQUENCES_TABLE) == version + 1
    assert set(lake.sequences().collect_schema()) == {*plain.columns, *fewer}
    assert set(lake.sequences(version).collect_schema()) == {*plain.columns, *DECLARED}
    # Days that are written without a column that the table has do not hold it.
    put(lake, day_of([(("u", "c", 2, "click", None, None, None), ("b", None, None, 5.0))], 2).drop("tab"), 2)
    update(lake, declared=fewer)
    assert lake.sequences().collect()["tab"].to_list() == [["b", "a", None]]
