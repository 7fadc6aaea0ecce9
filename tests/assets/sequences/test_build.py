from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.schema import events_schema, sequences_schema
from assets.sequences.build import bucket_of, build_sequences
from models.columns import ACTIONS, ITEM_IDS, SURFACES, TIMESTAMPS, USER_ID, VALUES

ACTIONS_DECLARED = ("impression", "click", "play")
PINNED = [289, 27, 448, 455]
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(second: float) -> datetime:
    return START + timedelta(seconds=second)


def events(rows: list[tuple[object, ...]]) -> pl.LazyFrame:
    """Rows of (user, item, second, action, value, surface, request, arrival)."""
    full = [(user, item, at(second), *rest, date(2026, 1, 1)) for user, item, second, *rest in rows]  # type: ignore[arg-type]
    return pl.LazyFrame(full, schema=events_schema("string"), orient="row")


def test_actions_of_one_request_become_one_interaction_at_its_last_moment() -> None:
    rows = [
        ("u", "a", 0, "impression", None, "home", "r1", 0),
        ("u", "b", 0, "impression", None, "home", "r1", 1),
        ("u", "a", 2, "click", None, None, "r1", 2),
        ("u", "a", 9, "play", 0.5, None, "r1", 3),
        ("u", "a", 20, "click", None, "search", None, 4),
    ]
    built = build_sequences(events(rows), ACTIONS_DECLARED, 4, "string").collect()
    assert built.schema == pl.Schema(sequences_schema("string"))
    user = built.row(0, named=True)
    assert user[ITEM_IDS] == ["b", "a", "a"]
    assert user[TIMESTAMPS] == [at(0), at(9), at(20)]
    assert user[ACTIONS] == [0b001, 0b111, 0b010]
    assert user[VALUES] == [None, 0.5, None]
    assert user[SURFACES] == ["home", "home", "search"]


def test_equal_times_keep_their_order_of_arrival() -> None:
    rows = [("u", item, 5, "click", None, None, None, place) for place, item in enumerate("cab")]
    built = build_sequences(events(rows[::-1]), ACTIONS_DECLARED, 4, "string").collect()
    assert built[ITEM_IDS].to_list() == [["c", "a", "b"]]


def test_an_event_that_arrived_twice_counts_once() -> None:
    rows = [("u", "a", 5, "click", None, None, None, 0)]
    again = events(rows).with_columns(day=pl.lit(date(2026, 1, 2)))
    built = build_sequences(pl.concat([again, events(rows)]), ACTIONS_DECLARED, 4, "string").collect()
    assert built[ITEM_IDS].to_list() == [["a"]]


@given(
    st.lists(
        st.tuples(st.sampled_from("uvw"), st.sampled_from("abc"), st.integers(0, 5), st.sampled_from(ACTIONS_DECLARED)),
        max_size=30,
    )
)
def test_every_action_is_kept_and_time_never_runs_back(rows: list[tuple[str, str, int, str]]) -> None:
    full = [(*row, None, None, None, place) for place, row in enumerate(rows)]
    built = build_sequences(events(full), ACTIONS_DECLARED, 4, "string").collect()
    bits = {action: 1 << place for place, action in enumerate(ACTIONS_DECLARED)}
    kept = {
        (row[USER_ID], item, time, bit)
        for row in built.iter_rows(named=True)
        for item, time, mask in zip(row[ITEM_IDS], row[TIMESTAMPS], row[ACTIONS], strict=True)
        for bit in bits.values()
        if mask & bit
    }
    assert kept == {(user, item, at(second), bits[action]) for user, item, second, action in rows}
    assert all(row == sorted(row) for row in built[TIMESTAMPS].to_list())


def test_buckets_are_pinned() -> None:
    """A user's bucket is in tables that were written long ago: this must never change."""
    users = pl.DataFrame({USER_ID: ["alice", "bob", "carol", "7"], "number": [7, 8, 9, 10]})
    assert users.select(bucket_of(USER_ID, 1000))[USER_ID].to_list() == PINNED
    same = users.select(text=bucket_of(USER_ID, 1000), number=bucket_of("number", 1000))
    assert same["text"][3] == same["number"][0]
