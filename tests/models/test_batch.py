from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from models.batch import REACH_MS, JaggedBatch, request_batch, training_batch
from models.columns import ID_MASKED, SURFACE, VALUE
from models.config.model import HstuConfig, ModelConfig
from models.families.registry import build
from models.interactions import Interactions

users = st.lists(st.lists(st.integers(0, 9), max_size=7), min_size=1, max_size=6)


def histories(users: list[list[int]]) -> Interactions:
    return Interactions.of([(rows, [1000 * place for place in range(len(rows))]) for rows in users])


@given(users=users, last=st.integers(1, 8))
def test_take_cuts_to_the_most_recent(users: list[list[int]], last: int) -> None:
    order = np.arange(len(users))[::-1]
    taken = histories(users).take(order, last=last)
    assert [list(taken.item_index[a:b]) for a, b in zip(taken.offsets, taken.offsets[1:], strict=False)] == [
        users[place][-last:] for place in order
    ]


@given(users=users)
def test_known_drops_unknown_items_and_nothing_else(users: list[list[int]]) -> None:
    known = histories(users).known()
    assert list(known.item_index) == [row for rows in users for row in rows if row]
    assert list(known.lengths) == [sum(map(bool, rows)) for rows in users]


def test_a_request_sees_the_last_known_items_and_its_own_time() -> None:
    batch = request_batch(histories([[1, 0, 2, 3], [], [4]]), [50_000, 60_000, 70_000], max_length=2)
    assert batch.item_index.tolist() == [2, 3, 4]
    assert batch.timestamps.tolist() == [2000, 3000, 0]
    assert batch.next_timestamps.tolist() == [3000, 50_000, 70_000]
    assert batch.offsets.tolist() == [0, 2, 2, 3]


def test_each_training_position_predicts_the_next() -> None:
    batch, labels = training_batch(histories([[1, 2, 3], [4], [5, 6]]), np.array([0, 1, 2]), max_length=2)
    assert batch.item_index.tolist() == [1, 2, 5]
    assert labels.item_index.tolist() == [2, 3, 6]
    assert batch.next_timestamps.tolist() == [1000, 2000, 1000]
    assert batch.offsets.tolist() == [0, 2, 2, 3]


def test_what_is_hidden_stays_with_its_interaction() -> None:
    marked = histories([[1, 2, 3], [4, 5]]).with_columns({ID_MASKED: np.array([True, False, True, False, True])})
    batch, labels = training_batch(marked, np.array([1, 0]), max_length=8)
    assert batch.item_index.tolist() == [4, 1, 2]
    assert batch.id_masked.tolist() == [False, True, False]
    assert labels.item_index.tolist() == [5, 2, 3]
    assert labels.id_masked.tolist() == [True, False, True]


def test_training_keeps_one_label_more_than_the_history_is_long() -> None:
    batch, labels = training_batch(histories([[1, 2, 3, 4]]), np.array([0]), max_length=2)
    assert (batch.item_index.tolist(), labels.item_index.tolist()) == ([2, 3], [3, 4])


def test_a_batch_knows_its_longest_row() -> None:
    assert request_batch(histories([[1, 2, 3], [], [4]]), np.full(3, 9000), max_length=2).longest == 2
    assert request_batch(histories([[]]), np.array([0]), max_length=2).longest == 0
    batch, _ = training_batch(histories([[1, 2, 3], [4]]), np.array([0, 1]), max_length=8)
    assert (batch.longest, made(batch.offsets).longest, batch.to("cpu").longest) == (2, 2, 2)


def test_a_user_without_history_has_an_empty_row() -> None:
    batch = request_batch(histories([[], [0, 0], [4]]), np.full(3, 9000), max_length=2)
    assert batch.offsets.tolist() == [0, 0, 0, 1]


def test_what_lies_too_far_back_is_read_as_far_back_as_the_model_reaches() -> None:
    asked = 3 * REACH_MS
    old = Interactions.of([([1, 2, 3], [0, asked - REACH_MS - 1, asked - 5]), ([4], [asked - REACH_MS]), ([], [])])
    batch = request_batch(old, np.array([asked] * 3), max_length=4)
    assert batch.timestamps.tolist() == [asked - REACH_MS, asked - REACH_MS, asked - 5, asked - REACH_MS]
    assert batch.next_timestamps.tolist() == [asked - REACH_MS, asked - 5, asked, asked]
    trained, _ = training_batch(
        Interactions.of([([1, 2, 3, 4], [0, 7, asked, asked + 1])]), np.array([0]), max_length=4
    )
    assert trained.timestamps.tolist() == [asked + 1 - REACH_MS, asked + 1 - REACH_MS, asked]
    assert trained.next_timestamps.tolist() == [asked + 1 - REACH_MS, asked, asked + 1]


@given(
    times=st.lists(st.integers(100_000_000_000, 253_402_300_799_999), min_size=1, max_size=5).map(sorted),
    later=st.integers(0, 253_402_300_799_999),
)
def test_any_span_of_time_is_scored(times: list[int], later: int) -> None:
    torch.manual_seed(0)
    model = build(ModelConfig(width=8, max_length=4, backbone=HstuConfig(layers=1, head_dim=4)), 9).eval()
    batch = request_batch(Interactions.of([([1 + i for i in range(len(times))], times)]), [times[-1] + later], 4)
    with torch.inference_mode():
        assert model(batch).isfinite().all()


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([50_000, 60_000], r"request times of 3 users are int64 of shape \(2,\)"),
        ([50_000.0, 60_000.0, 70_000.0], "request times of 3 users are float64"),
        ([50_000, 60_000, 999], "user 2 asks at 999 ms, before the last interaction"),
    ],
)
def test_wrong_request_times_are_refused(times: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        request_batch(histories([[1, 2, 3], [], [4, 5]]), np.array(times), max_length=2)


def made(offsets: Tensor, dtype: torch.dtype = torch.int64, times: int = 2) -> JaggedBatch:
    rows = torch.ones(2, dtype=torch.int64)
    moments = torch.zeros(times, dtype=dtype)
    return JaggedBatch(rows, moments, moments, offsets, torch.zeros(2, dtype=torch.bool))


@pytest.mark.parametrize("offsets", [[0, 1], [0, 3], [1, 2], []])
def test_offsets_that_do_not_fit_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets of a batch of 2 tokens must run from 0 to 2"):
        made(torch.tensor(offsets, dtype=torch.int64))


def test_offsets_that_decrease_name_the_user() -> None:
    with pytest.raises(ValueError, match="user 1 of the batch has -2 tokens"):
        made(torch.tensor([0, 2, 0, 2]))


def test_negative_items_are_refused() -> None:
    whole = made(torch.tensor([0, 2]))
    with pytest.raises(ValueError, match="token 1 of the batch has item index -3"):
        replace(whole, item_index=torch.tensor([1, -3]), longest=-1)


def test_fractions_and_missing_times_are_refused() -> None:
    with pytest.raises(ValueError, match=r"timestamps of the batch are torch\.float32"):
        made(torch.tensor([0, 2]), dtype=torch.float32)
    with pytest.raises(ValueError, match="a batch of 2 tokens has 3 timestamps"):
        made(torch.tensor([0, 2]), times=3)


def test_a_batch_holds_the_columns_that_the_model_asks_for() -> None:
    users = histories([[1, 0, 2, 3], [4, 5]]).with_columns({VALUE: np.arange(6, dtype=np.float32)})
    batch, labels = training_batch(users, np.array([1, 0]), max_length=2, columns=[VALUE])
    assert (batch.columns[VALUE].tolist(), labels.columns[VALUE].tolist()) == ([4, 1, 2], [5, 2, 3])
    assert request_batch(users, np.full(2, 9000), 2, [VALUE]).to("cpu").columns[VALUE].tolist() == [2, 3, 4, 5]
    assert not request_batch(users, np.full(2, 9000), 2).columns
    with pytest.raises(ValueError, match="these interactions hold no surface"):
        request_batch(users, np.full(2, 9000), 2, [SURFACE])
