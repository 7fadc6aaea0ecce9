from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.batch import request_batch, training_batch
from models.history import Histories

users = st.lists(st.lists(st.integers(0, 9), max_size=7), min_size=1, max_size=6)


def histories(users: list[list[int]]) -> Histories:
    return Histories.of([(rows, [1000 * place for place in range(len(rows))]) for rows in users])


@given(users=users, last=st.integers(1, 8))
def test_take_cuts_to_the_most_recent(users: list[list[int]], last: int) -> None:
    order = np.arange(len(users))[::-1]
    taken = histories(users).take(order, last=last)
    assert [list(taken.rows[a:b]) for a, b in zip(taken.offsets, taken.offsets[1:], strict=False)] == [
        users[place][-last:] for place in order
    ]


@given(users=users)
def test_known_drops_unknown_items_and_nothing_else(users: list[list[int]]) -> None:
    known = histories(users).known()
    assert list(known.rows) == [row for rows in users for row in rows if row]
    assert list(known.lengths) == [sum(map(bool, rows)) for rows in users]


def test_a_request_sees_the_last_known_items_and_its_own_time() -> None:
    batch = request_batch(histories([[1, 0, 2, 3], [], [4]]), [50_000, 60_000, 70_000], max_length=2)
    assert batch.rows.tolist() == [2, 3, 4]
    assert batch.timestamps.tolist() == [2000, 3000, 0]
    assert batch.next_timestamps.tolist() == [3000, 50_000, 70_000]
    assert batch.offsets.tolist() == [0, 2, 2, 3]


def test_each_training_position_predicts_the_next() -> None:
    batch, labels = training_batch(histories([[1, 2, 3], [4], [5, 6]]), np.array([0, 1, 2]), max_length=2)
    assert batch.rows.tolist() == [1, 2, 5]
    assert labels.rows.tolist() == [2, 3, 6]
    assert batch.next_timestamps.tolist() == [1000, 2000, 1000]
    assert batch.offsets.tolist() == [0, 2, 2, 3]


def test_what_is_hidden_stays_with_its_interaction() -> None:
    marked = replace(histories([[1, 2, 3], [4, 5]]), hidden=np.array([True, False, True, False, True]))
    batch, labels = training_batch(marked, np.array([1, 0]), max_length=8)
    assert batch.rows.tolist() == [4, 1, 2]
    assert batch.hidden.tolist() == [False, True, False]
    assert labels.rows.tolist() == [5, 2, 3]
    assert labels.hidden.tolist() == [True, False, True]


def test_training_keeps_one_label_more_than_the_history_is_long() -> None:
    batch, labels = training_batch(histories([[1, 2, 3, 4]]), np.array([0]), max_length=2)
    assert (batch.rows.tolist(), labels.rows.tolist()) == ([2, 3], [3, 4])


def test_disagreeing_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="offsets end at 3"):
        Histories(np.array([1, 2]), np.array([0, 1]), np.array([0, 3]))
