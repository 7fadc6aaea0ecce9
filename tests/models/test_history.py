from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.history import Histories, histories
from models.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pl.Series(["a", "b"]), 2, np.zeros(3, np.float32))
users = st.lists(st.lists(st.integers(0, 3), max_size=5).map(sorted), min_size=1, max_size=5)


def made(rows: Any, timestamps: Any, offsets: Any, hidden: Any = None) -> Histories:
    return Histories(*map(np.array, (rows, timestamps, offsets)), None if hidden is None else np.array(hidden))


@settings(deadline=None)
@given(users=users)
def test_empty_users_and_equal_times_are_histories(users: list[list[int]]) -> None:
    packed = Histories.of([([1] * len(times), times) for times in users])
    assert packed.lengths.tolist() == [len(times) for times in users]
    assert packed.timestamps.tolist() == [time for times in users for time in times]


@settings(deadline=None)
@given(users=users.filter(lambda users: any(len(set(times)) > 1 for times in users)))
def test_time_that_runs_back_names_the_user(users: list[list[int]]) -> None:
    wrong = next(user for user, times in enumerate(users) if len(set(times)) > 1)
    turned = [times[::-1] if user == wrong else times for user, times in enumerate(users)]
    with pytest.raises(ValueError, match=f"of user {wrong} happened at .* sort each user's interactions"):
        Histories.of([([1] * len(times), times) for times in turned])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([1, 2], [0, 1], [0, 3]), "offsets end at 3"),
        (([1, 2], [0, 1], np.array([], int)), "B [+] 1 offsets"),
        (([1, 2], [0, 1], [1, 2]), "the first user starts at interaction 1"),
        (([1, 2], [0, 1], [0, 2, 1, 2]), "user 1 has -1 interactions"),
        (([1, 2], [0.5, 1.5], [0, 2]), "timestamps of the histories are float64"),
        (([1, np.nan], [0, 1], [0, 2]), "rows of the histories are float64"),
        (([1, 2], [0, 1], [0.0, 2.0]), "offsets of the histories are float64"),
        (([1, 1, -4], [0, 1, 2], [0, 0, 1, 3]), "interaction 1 of user 2 has item row -4"),
        (([1, 1, 1], [5, 7, 6], [0, 0, 1, 3]), "interaction 1 of user 2 happened at 6 ms, the one before at 7 ms"),
        (([1, 2], [0, 1], [0, 2], [True]), "2 rows, but 1 marks"),
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
        (([1.5], [0]), "item rows are float64"),
        (([1], [None]), "timestamps are object"),
    ],
)
def test_packing_never_rounds(user: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Histories.of([([], []), user])


def test_a_row_outside_the_table_names_the_user() -> None:
    packed = Histories.of([([1], [0]), ([], []), ([2, 9], [0, 0])])
    assert packed.within(9) is packed
    with pytest.raises(ValueError, match=r"interaction 1 of user 2 has item row 9, but only rows 1\.\.8"):
        packed.within(8)


def frame(item_ids: list[Any], seconds: list[Any]) -> pl.DataFrame:
    at = [
        None if times is None else [None if t is None else datetime.fromtimestamp(t, UTC) for t in times]
        for times in seconds
    ]
    schema = {"item_ids": pl.List(pl.String), "timestamps": pl.List(pl.Datetime("us", "UTC"))}
    return pl.DataFrame({"item_ids": item_ids, "timestamps": at}, schema=schema)


def test_lists_become_rows_and_milliseconds() -> None:
    packed = histories(frame([["b", "a", "?"], [], ["a"]], [[1, 2, 2], [], [5]]), VOCABULARY)
    assert packed.rows.tolist() == [2, 1, 0, 1]
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
        histories(frame(item_ids, seconds), VOCABULARY)


def test_times_must_be_datetimes() -> None:
    numbers = pl.DataFrame({"item_ids": [["a"]], "timestamps": [[1.5]]})
    with pytest.raises(ValueError, match=r"column 'timestamps' is List\(Float64\): it must hold lists of datetimes"):
        histories(numbers, VOCABULARY)
