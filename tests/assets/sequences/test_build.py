"""Sequences follow the events: the same bytes whether days come together, one by one, late or again."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.buckets import slots_of, user_hashes
from assets.engine import LocalEngine
from assets.sequences.build import bring_up_to_date, buckets_for
from models.columns import ACTIONS, BUCKET, DAY, ITEM_IDS, SURFACES, TIMESTAMPS, USER_ID, VALUES
from storage.interaction_columns import CONTRACT_COLUMNS
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, events_schema, sequences_schema
from storage.sequence_ledger import REQUEST_GAP_MS, read_ledger
from storage.sequence_store import BUCKETS_FOLDER, DECLARED, FILE, INTERACTIONS, SEQUENCES_TABLE, named_files
from storage.staged_files import Staging

ACTIONS_DECLARED = ("impression", "click", "play")
START = datetime(2026, 1, 1, tzinfo=UTC)
FIRST = START.date()
HALF_AN_HOUR = timedelta(minutes=30)

Row = tuple[object, ...]


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def events(rows: Sequence[Row], day: int = 0) -> pl.DataFrame:
    """Rows of (user, item, second, action, value, surface, request, arrival), in the order of the table."""
    full = [(user, item, at(second), *rest, 0, FIRST + timedelta(day)) for user, item, second, *rest in rows]  # type: ignore[arg-type]
    frame = pl.DataFrame(full, schema=events_schema("string"), orient="row")
    hashes = pl.Series("hash", user_hashes(frame[USER_ID]))
    slots = pl.Series("hash_slot", slots_of(hashes.to_numpy()), dtype=pl.Int16)
    return frame.with_columns(slots, hashes).sort("hash", "timestamp", "item_id", "action").drop("hash")


def put(lake: Lake, frame: pl.DataFrame, *days: int) -> None:
    lake.replace_days(EVENTS_TABLE, frame, [FIRST + timedelta(day) for day in days])


def update(
    lake: Lake, buckets: int = 4, rows_in_memory: int = 10**6, workers: int = 2, gap: timedelta = HALF_AN_HOUR
) -> pl.DataFrame:
    with Staging(lake) as staging:
        return bring_up_to_date(
            lake,
            staging,
            LocalEngine(workers),
            ACTIONS_DECLARED,
            "string",
            gap,
            rows_in_memory=rows_in_memory,
            buckets=buckets,
        )


def contents(lake: Lake) -> list[bytes]:
    folder = Path(lake.root) / BUCKETS_FOLDER
    return [(folder / file).read_bytes() for file in read_ledger(lake)[FILE]]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_actions_of_one_request_become_one_interaction_at_its_last_moment(lake: Lake) -> None:
    rows = [
        ("u", "a", 0, "impression", None, "home", "r1", 0),
        ("u", "b", 0, "impression", None, "home", "r1", 1),
        ("u", "a", 2, "click", None, None, "r1", 2),
        ("u", "a", 9, "play", 0.5, None, "r1", 3),
        ("u", "a", 20, "click", None, "search", None, 4),
    ]
    put(lake, events(rows), 0)
    update(lake)
    built = lake.sequences().collect()
    assert built.schema == pl.Schema(sequences_schema("string"))
    user = built.row(0, named=True)
    assert user[ITEM_IDS] == ["b", "a", "a"]
    assert user[TIMESTAMPS] == [at(0), at(9), at(20)]
    assert user[ACTIONS] == [0b001, 0b111, 0b010]
    assert user[VALUES] == [None, 0.5, None]
    assert user[SURFACES] == ["home", "home", "search"]


def test_a_request_over_midnight_is_one_interaction(lake: Lake) -> None:
    put(lake, events([("u", "a", 0, "impression", None, None, "r", 0), ("u", "b", 1, "click", None, None, "s", 1)]), 0)
    update(lake)
    put(lake, events([("u", "a", 5, "click", 2.0, "home", "r", 0)], day=1), 1)
    update(lake)
    user = lake.sequences().collect().row(0, named=True)
    assert (user[ITEM_IDS], user[ACTIONS]) == (["b", "a"], [0b010, 0b011])
    assert (user[VALUES], user[SURFACES]) == ([None, 2.0], [None, "home"])


DAY_LATER = 86400


@pytest.mark.parametrize("request_of", [lambda day: "0", lambda day: str(day % 2)], ids=["constant", "restarting"])
def test_clicks_of_different_days_stay_apart_whatever_the_request_id(
    lake: Lake, request_of: Callable[[int], str]
) -> None:
    for day in (0, 1, 2, 3):
        clicks = [("u", "a", day * DAY_LATER + 60, "click", None, None, request_of(day), 0)]
        put(lake, events(clicks, day), day)
        update(lake)
    user = lake.sequences().collect().row(0, named=True)
    assert user[TIMESTAMPS] == [at(day * DAY_LATER + 60) for day in (0, 1, 2, 3)]


def test_a_request_goes_on_as_long_as_no_pause_is_longer_than_the_gap(lake: Lake) -> None:
    minutes = [0, 25, 50, 81]
    rows = [("u", "a", 60 * minute, "click", None, None, "r", n) for n, minute in enumerate(minutes)]
    put(lake, events(rows), 0)
    update(lake)
    assert lake.sequences().collect()[TIMESTAMPS].to_list() == [[at(50 * 60), at(81 * 60)]]


def test_a_late_event_makes_two_interactions_one(lake: Lake) -> None:
    ends = [("u", "a", 0, "impression", None, "home", "r", 0), ("u", "a", 3000, "play", 0.5, "away", "r", 1)]
    put(lake, events(ends), 0)
    update(lake)
    assert lake.sequences().collect()[ACTIONS].to_list() == [[0b001, 0b100]]
    put(lake, events([("u", "a", 1500, "click", None, None, "r", 0)], day=1), 1)
    update(lake)
    user = lake.sequences().collect().row(0, named=True)
    assert (user[ACTIONS], user[TIMESTAMPS], user[SURFACES]) == ([0b111], [at(3000)], ["away"])


def test_another_gap_makes_the_sequences_anew(lake: Lake) -> None:
    rows = [("u", "a", 60 * minute, "click", None, None, "r", minute) for minute in (0, 20)]
    put(lake, events(rows), 0)
    update(lake)
    assert lake.sequences().collect()[ITEM_IDS].to_list() == [["a"]]
    update(lake, gap=timedelta(minutes=10))
    assert lake.sequences().collect()[ITEM_IDS].to_list() == [["a", "a"]]


def test_sequences_of_earlier_versions_are_read_and_made_anew(lake: Lake) -> None:
    """Their files have no `started` and call the request group an occasion, their ledger has no gap."""
    clicks = [("u", "a", day * DAY_LATER, "click", None, None, "0", day) for day in (0, 1)]
    put(lake, events(clicks), 0)
    ledger = update(lake)
    now = lake.sequences().collect()
    for file in ledger[FILE]:
        path = Path(lake.root) / BUCKETS_FOLDER / file
        batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
        lists = batch.column(INTERACTIONS)
        fields = [column.name for column in CONTRACT_COLUMNS if column.name != "started"]
        former = ["occasion" if name == "request_group" else name for name in fields]
        flat = pa.StructArray.from_arrays([lists.values.field(name) for name in fields], former)
        columns = [batch.column(USER_ID), pa.LargeListArray.from_arrays(lists.offsets, flat)]
        older = pa.record_batch(columns, batch.schema.names)
        with pa.ipc.new_file(f"{path}.old", older.schema) as writer:
            writer.write_batch(older)
        Path(f"{path}.old").rename(path)
    lake.overwrite(SEQUENCES_TABLE, ledger.drop(REQUEST_GAP_MS, DECLARED))
    old = lake.version(SEQUENCES_TABLE)
    assert lake.sequences(old).collect().equals(now)
    update(lake)
    assert lake.version(SEQUENCES_TABLE) == old + 1
    assert lake.sequences().collect().equals(now)


def test_equal_times_keep_their_order_of_arrival(lake: Lake) -> None:
    put(lake, events([("u", item, 5, "click", None, None, None, place) for place, item in enumerate("cab")]), 0)
    update(lake)
    assert lake.sequences().collect()[ITEM_IDS].to_list() == [["c", "a", "b"]]


def test_an_event_that_arrived_on_two_days_counts_once(lake: Lake) -> None:
    rows = [("u", "a", 5, "click", None, None, None, 0)]
    put(lake, pl.concat([events(rows), events(rows, day=1)]), 0, 1)
    update(lake)
    assert lake.sequences().collect()[ITEM_IDS].to_list() == [["a"]]


def test_nothing_new_writes_nothing(lake: Lake) -> None:
    put(lake, events([("u", "a", 5, "click", None, None, None, 0)]), 0)
    update(lake)
    version = lake.version(SEQUENCES_TABLE)
    update(lake)
    assert lake.version(SEQUENCES_TABLE) == version


def test_only_the_buckets_of_changed_users_are_written(lake: Lake) -> None:
    many = [(f"u{n}", "a", n, "click", None, None, None, n) for n in range(50)]
    put(lake, pl.concat([events(many), events(many[:1], day=1)]), 0, 1)
    before = update(lake, buckets=16)
    put(lake, events([("u0", "b", 9, "click", None, None, None, 0)], day=1), 1)
    after = update(lake, buckets=16)
    changed = before.join(after, on=[BUCKET, FILE], how="anti")
    assert changed.height == 1
    assert lake.sequences().filter(pl.col(USER_ID) == "u0").collect()[ITEM_IDS].to_list() == [["a", "b"]]


def test_an_item_never_changes_its_row(lake: Lake) -> None:
    put(lake, events([("u", item, 5, "click", None, None, item, n) for n, item in enumerate("zb")]), 0)
    update(lake)
    before = dict(lake.scan("item_rows").select("item_id", "row").collect().iter_rows())
    put(lake, events([("u", "z", 5, "click", None, None, "z", 0)]), 0)
    put(lake, events([("u", item, 9, "click", None, None, item, n) for n, item in enumerate("ca")], day=1), 1)
    update(lake)
    after = dict(lake.scan("item_rows").select("item_id", "row").collect().iter_rows())
    assert before == {"b": 1, "z": 2}
    assert after == before | {"a": 3, "c": 4}


def test_an_older_version_reads_as_it_was(lake: Lake) -> None:
    put(lake, events([("u", "a", 5, "click", None, "home", None, 0)]), 0)
    update(lake)
    version = lake.version(SEQUENCES_TABLE)
    before = lake.sequences().collect()
    put(lake, events([("u", "b", 9, "click", None, "away", None, 0)], day=1), 1)
    update(lake)
    assert lake.sequences(version).collect().equals(before)
    assert not lake.sequences().collect().equals(before)


def test_columns_and_rows_that_are_not_asked_for_are_left_out(lake: Lake) -> None:
    many = [(f"u{n}", "a", n, "click", None, None, None, n) for n in range(20)]
    put(lake, events(many), 0)
    update(lake)
    whole = lake.sequences().collect()
    assert lake.sequences().select(ITEM_IDS).head(3).collect().equals(whole.select(ITEM_IDS).head(3))
    asked = pl.col(TIMESTAMPS).list.first() > at(10)
    assert lake.sequences().filter(asked).select(USER_ID).collect().equals(whole.filter(asked).select(USER_ID))


EVENT = st.tuples(
    st.sampled_from("uvwxyz"),
    st.sampled_from("abc"),
    st.integers(0, 8),
    st.sampled_from(ACTIONS_DECLARED),
    st.sampled_from([None, 0.5, 1.0]),
    st.sampled_from([None, "home", "away"]),
    st.sampled_from([None, "r", "s"]),
)
GAPS = st.sampled_from([timedelta(0), timedelta(seconds=1), timedelta(seconds=2), HALF_AN_HOUR])
DAYS_OF_EVENTS = st.lists(st.lists(EVENT, max_size=12), min_size=1, max_size=5)


def days_of(drawn: list[list[Row]]) -> list[pl.DataFrame]:
    numbered = [[(*row, n) for n, row in enumerate(rows)] for rows in drawn]
    identity = ["user_id", "item_id", "timestamp", "action"]
    return [events(rows, day).sort("arrival").unique(identity, keep="first") for day, rows in enumerate(numbered)]


def ordered(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(hash=pl.Series(user_hashes(frame[USER_ID]))).sort("hash", "timestamp").drop("hash")


@settings(max_examples=40, deadline=None)
@given(DAYS_OF_EVENTS, st.integers(4, 40), GAPS)
def test_day_by_day_equals_one_pass_to_the_byte(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[list[Row]], rows_in_memory: int, gap: timedelta
) -> None:
    frames = [ordered(frame) for frame in days_of(drawn)]
    nightly, whole = (Lake(str(tmp_path_factory.mktemp(name))) for name in ("nightly", "whole"))
    for day, frame in enumerate(frames):
        put(nightly, frame, day)
        update(nightly, gap=gap)
    put(whole, pl.concat(frames), *range(len(frames)))
    update(whole, rows_in_memory=rows_in_memory, workers=1, gap=gap)
    assert contents(nightly) == contents(whole)


@settings(max_examples=40, deadline=None)
@given(DAYS_OF_EVENTS, st.lists(EVENT, max_size=12), st.integers(0, 4), GAPS)
def test_a_day_that_changes_later_equals_one_that_was_right_at_once(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[list[Row]], wrong: list[Row], place: int, gap: timedelta
) -> None:
    frames = [ordered(frame) for frame in days_of(drawn)]
    place %= len(frames)
    late, whole = (Lake(str(tmp_path_factory.mktemp(name))) for name in ("late", "whole"))
    false = [ordered(events([(*row, n) for n, row in enumerate(wrong)], place).unique(["user_id", "timestamp"]))]
    put(late, pl.concat(frames[:place] + false + frames[place + 1 :]), *range(len(frames)))
    update(late, gap=gap)
    put(late, frames[place], place)
    update(late, gap=gap)
    put(whole, pl.concat(frames), *range(len(frames)))
    update(whole, gap=gap)
    columns = pl.exclude(BUCKET)
    assert late.sequences().select(columns).collect().equals(whole.sequences().select(columns).collect())


@settings(max_examples=40, deadline=None)
@given(DAYS_OF_EVENTS)
def test_every_action_is_kept_and_time_never_runs_back(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[list[Row]]
) -> None:
    frames = days_of(drawn)
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    put(lake, ordered(pl.concat(frames)), *range(len(frames)))
    update(lake)
    bits = {action: 1 << place for place, action in enumerate(ACTIONS_DECLARED)}
    kept = {
        (row[USER_ID], item, bit)
        for row in lake.sequences().collect().iter_rows(named=True)
        for item, mask in zip(row[ITEM_IDS], row[ACTIONS], strict=True)
        for bit in bits.values()
        if mask & bit
    }
    assert kept == {(user, item, bits[str(action)]) for rows in drawn for user, item, _, action, *_ in rows}
    assert all(row == sorted(row) for row in lake.sequences().collect()[TIMESTAMPS].to_list())


def test_the_number_of_buckets_follows_memory() -> None:
    assert [buckets_for(n, 4_000_000) for n in (0, 10**6, 11 * 10**6, 10**8, 10**12)] == [8, 8, 16, 128, 4096]
    for rows, memory in ((10**7, 10**5), (3 * 10**6, 10**6), (12345678, 54321)):
        assert rows / buckets_for(rows, memory) <= memory / 4 or buckets_for(rows, memory) == 4096


def test_days_are_read_from_the_log(lake: Lake) -> None:
    put(lake, events([("u", "a", 5, "click", None, None, None, 0)], day=3), 3)
    assert lake.days(EVENTS_TABLE) == [date(2026, 1, 4)]
    assert lake.scan(EVENTS_TABLE).select(DAY).collect()[DAY].to_list() == [date(2026, 1, 4)]
    assert lake.files(EVENTS_TABLE)["num_records"].to_list() == [1]


@pytest.mark.parametrize("newest_first", [False, True])
def test_ledgers_of_earlier_versions_name_their_files(newest_first: bool, tmp_path: Path) -> None:
    old, new = tmp_path / "old.parquet", tmp_path / "new.parquet"
    pl.DataFrame({FILE: ["a"]}).write_parquet(old)
    pl.DataFrame({FILE: ["b"], REQUEST_GAP_MS: [1]}).write_parquet(new)
    assert named_files([new, old] if newest_first else [old, new]) == {"a", "b"}
    assert named_files([]) == set()
