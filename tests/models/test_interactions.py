from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import ACTIONS, ITEM_INDEX, REQUEST_GROUP, STARTED, TIMESTAMP, VALUE
from models.interaction_frames import interactions_in
from models.interactions import Interactions
from models.known import declared
from models.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pl.Series(["a", "b"]), np.arange(1, 3), np.zeros(3, np.float32))
users = st.lists(st.lists(st.integers(0, 3), max_size=5).map(sorted), min_size=1, max_size=5)


def made(items: Any, timestamps: Any, offsets: Any, **further: Any) -> Interactions:
    columns: dict[str, np.ndarray] = {ITEM_INDEX: items, TIMESTAMP: timestamps, **further}
    return Interactions(np.array(offsets), {name: np.array(column) for name, column in columns.items()})


@settings(deadline=None)
@given(users=users)
def test_empty_users_and_equal_times_are_histories(users: list[list[int]]) -> None:
    packed = Interactions.of([([1] * len(times), times) for times in users])
    assert packed.lengths.tolist() == [len(times) for times in users]
    assert packed.timestamps.tolist() == [time for times in users for time in times]


@settings(deadline=None)
@given(users=users.filter(lambda users: any(len(set(times)) > 1 for times in users)))
def test_time_that_runs_back_names_the_user(users: list[list[int]]) -> None:
    wrong = next(user for user, times in enumerate(users) if len(set(times)) > 1)
    turned = [times[::-1] if user == wrong else times for user, times in enumerate(users)]
    with pytest.raises(ValueError, match=f"of user {wrong} happened at .* sort each user's interactions"):
        Interactions.of([([1] * len(times), times) for times in turned])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([1, 2], [0, 1], [0, 3]), "offsets end at 3"),
        (([1, 2], [0, 1], np.array([], int)), "B [+] 1 offsets"),
        (([1, 2], [0, 1], [1, 2]), "the first user starts at interaction 1"),
        (([1, 2], [0, 1], [0, 2, 1, 2]), "user 1 has -1 interactions"),
        (([1, 2], [0.5, 1.5], [0, 2]), "timestamp of the interactions are float64"),
        (([1, np.nan], [0, 1], [0, 2]), "item_index of the interactions are float64"),
        (([1, 2], [0, 1], [0.0, 2.0]), "offsets of the interactions are float64"),
        (([1, 1, -4], [0, 1, 2], [0, 0, 1, 3]), "interaction 1 of user 2 has item index -4"),
        (([1, 1, 1], [5, 7, 6], [0, 0, 1, 3]), "interaction 1 of user 2 happened at 6 ms, the one before at 7 ms"),
    ],
)
def test_contradictions_are_refused(arrays: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        made(*arrays)


@pytest.mark.parametrize(
    ("user", "message"),
    [
        (([1, 2], [0]), "user 1 has 2 items, but 1 timestamps"),
        (([1], [0.5]), "timestamps are float64"),
        (([1.5], [0]), "item indices are float64"),
        (([1], [None]), "timestamps are object"),
    ],
)
def test_packing_never_rounds(user: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Interactions.of([([], []), user])


def test_a_row_outside_the_table_names_the_user() -> None:
    packed = Interactions.of([([1], [0]), ([], []), ([2, 9], [0, 0])])
    assert packed.within(9) is packed
    with pytest.raises(ValueError, match=r"interaction 1 of user 2 has item index 9, but only indices 1\.\.8"):
        packed.within(8)


@settings(deadline=None)
@given(users=users, data=st.data())
def test_whatever_selects_or_cuts_does_so_in_all_columns(users: list[list[int]], data: Any) -> None:
    """Each column here says at which place an interaction stood, so none can go its own way unseen."""
    times = [time for user in users for time in user]
    places = np.arange(len(times))
    offsets = np.concatenate([[0], np.cumsum([len(user) for user in users])])
    further: dict[str, np.ndarray] = {
        STARTED: places,
        VALUE: places.astype(np.float32),
        REQUEST_GROUP: places,
        "device": places,
    }
    items, bits = places % 3, 1 << places % 3
    columns: dict[str, np.ndarray] = {ITEM_INDEX: items, TIMESTAMP: np.array(times, np.int64), ACTIONS: bits, **further}
    whole = Interactions(offsets, columns, declared({"device": "request"}))
    moment = data.draw(st.integers(0, 3))
    keep = np.array(data.draw(st.lists(st.booleans(), min_size=len(times), max_size=len(times))), bool)
    drawn = np.array(data.draw(st.lists(st.integers(0, len(users) - 1), max_size=4)), np.int64)
    expected: dict[str, list[list[int]]] = {
        "take": [[*range(offsets[user], offsets[user + 1])][-2:] for user in drawn],
        "where": [[place for place in range(*offsets[user : user + 2]) if keep[place]] for user in range(len(users))],
        "known": [[place for place in range(*offsets[user : user + 2]) if items[place]] for user in range(len(users))],
        "until": [[p for p in range(*offsets[user : user + 2]) if times[p] <= moment] for user in range(len(users))],
        "before": [[p for p in range(*offsets[user : user + 2]) if times[p] < moment] for user in range(len(users))],
        "carrying": [[p for p in range(*offsets[user : user + 2]) if bits[p] & 5] for user in range(len(users))],
    }
    found = {
        "take": whole.take(drawn, last=2),
        "where": whole.where(keep),
        "known": whole.known(),
        "until": whole.until(moment),
        "before": whole.before(moment),
        "carrying": whole.where(whole.carrying(5)),
    }
    for what, made_of in found.items():
        assert made_of.lengths.tolist() == [len(user) for user in expected[what]], what
        at = [place for user in expected[what] for place in user]
        for name, column in columns.items():
            np.testing.assert_array_equal(made_of.column(name), column[at], err_msg=f"{what} of {name}")


def test_columns_must_be_declared_and_complete() -> None:
    with pytest.raises(ValueError, match="column 'device' is not declared"):
        made([1, 2], [0, 1], [0, 2], device=[0, 0])
    with pytest.raises(ValueError, match="there are 1 values of id_masked, but the offsets end at 2"):
        made([1, 2], [0, 1], [0, 2], id_masked=[True])
    with pytest.raises(ValueError, match="hold no actions, only item_index, timestamp"):
        made([1, 2], [0, 1], [0, 2]).carrying(1)
    assert set(made([1], [0], [0, 1], value=[1.0], actions=[1]).only([VALUE]).columns) == {ITEM_INDEX, TIMESTAMP, VALUE}


def frame(item_ids: list[Any], seconds: list[Any]) -> pl.DataFrame:
    at = [
        None if times is None else [None if t is None else datetime.fromtimestamp(t, UTC) for t in times]
        for times in seconds
    ]
    schema = {"item_ids": pl.List(pl.String), "timestamps": pl.List(pl.Datetime("us", "UTC"))}
    return pl.DataFrame({"item_ids": item_ids, "timestamps": at}, schema=schema)


def test_lists_become_rows_and_milliseconds() -> None:
    packed = interactions_in(frame([["b", "a", "?"], [], ["a"]], [[1, 2, 2], [], [5]]), VOCABULARY)
    assert packed.item_index.tolist() == [2, 1, 0, 1]
    assert packed.timestamps.tolist() == [1000, 2000, 2000, 5000]
    assert packed.offsets.tolist() == [0, 3, 3, 4]


@pytest.mark.parametrize(
    ("item_ids", "seconds", "message"),
    [
        ([["a"], ["a", "b"]], [[1, 2], [1]], "row 0 has 1 items, but 2 timestamps"),
        ([["a"], None], [[1], None], "row 1 has None items"),
        ([[], ["a"], ["a", None]], [[], [1], [1, 2]], "row 2 has a null among its item_ids"),
        ([["a"], ["a", "b"]], [[None], [1, 2]], "row 0 has a null among its timestamps"),
        ([["a"], ["a", "b"]], [[1], [2, 1]], "interaction 1 of user 1 happened at 1000 ms"),
    ],
)
def test_wrong_lists_name_the_row(item_ids: list[Any], seconds: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interactions_in(frame(item_ids, seconds), VOCABULARY)


def test_times_must_be_datetimes() -> None:
    numbers = pl.DataFrame({"item_ids": [["a"]], "timestamps": [[1.5]]})
    with pytest.raises(ValueError, match=r"column 'timestamps' is List\(Float64\): it must hold lists of datetimes"):
        interactions_in(numbers, VOCABULARY)


def test_nothing_is_copied_where_every_item_is_known() -> None:
    some = Interactions.of([([1, 0, 2], [1, 2, 3])])
    every = Interactions.of([([1, 2], [1, 2]), ([], [])])
    assert every.known() is every
    assert some.known().item_index.tolist() == [1, 2]
    assert len(Interactions.of([]).known()) == 0
