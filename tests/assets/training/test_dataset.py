import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.splits.split import SplitRule, split
from assets.training.dataset import Dataset, content_digest, read_dataset, read_held_out, write_training_set
from models.columns import ID_MASKED, REPEATED
from models.merging import Merging
from models.modalities import Modality
from storage.schema import TIME
from tests.interaction_logs import log_of

CUTOFF = datetime(2026, 1, 10, tzinfo=UTC)
COLD = timedelta(days=5)


def training(users: dict[str, list[tuple[str, float]]]) -> pl.DataFrame:
    """user -> [(item, days before the cutoff)]"""
    return pl.DataFrame(
        {
            "user_id": list(users),
            "item_ids": [[item for item, _ in history] for history in users.values()],
            "timestamps": [[CUTOFF - timedelta(days=days) for _, days in history] for history in users.values()],
        },
        schema={"user_id": pl.String, "item_ids": pl.List(pl.String), "timestamps": pl.List(TIME)},
    )


LAST = 1 / 86_400_000
"""The last millisecond before the cutoff, in days."""
HISTORIES: dict[str, list[tuple[str, float]]] = {"u": [("a", 7), ("b", 3), ("a", LAST)], "v": [("b", 14)]}
CATALOGUE = pl.DataFrame({"item_id": ["a", "new", "b", "older"], "day": [date(2026, 1, day) for day in (1, 10, 1, 9)]})
CONTENT = pl.DataFrame({"item_id": ["new", "a", "gone"], "vector": [[1.0, 2.0], [3.0, 4.0], [9.0, 9.0]]})


def written(
    folder: Path,
    users: pl.DataFrame,
    content: pl.DataFrame | None = None,
    validation_users: int = 0,
    hold_out_ties: bool = False,
    repeats: bool = False,
    most: int = 2,
    **more: Any,
) -> Path:
    """A training set, of which no more than `most` interactions are read at once."""
    rule = SplitRule(CUTOFF, timedelta(days=1), 3, leave_one_out_users=0, repeats=repeats, hold_out_ties=hold_out_ties)
    return write_training_set(
        folder,
        split(log_of(users, catalogue=CATALOGUE.sort("day", "item_id")["item_id"]), rule, rows_in_memory=most),
        CATALOGUE,
        content,
        half_life_days=7,
        cold_start=COLD,
        validation_users=validation_users,
        seed=0,
        **more,
    )


def dataset_of(*arguments: Any, **named: Any) -> Dataset:
    return read_dataset(written(Path(tempfile.mkdtemp()), *arguments, **named))


def test_an_item_is_its_row_and_has_its_decayed_popularity() -> None:
    dataset = dataset_of(training(HISTORIES), None)
    assert dataset.vocabulary.item_ids.to_list() == ["b", "a", "older", "new"]
    assert dataset.vocabulary.ids(dataset.vocabulary.trained).to_list() == ["a", "b"]
    assert dataset.vocabulary.popularity.tolist() == pytest.approx([0, 0.25 + 2 ** (-3 / 7), 1.5, 0, 0])
    assert dataset.histories.item_index.tolist() == [2, 1, 2, 1]
    assert dataset.content.shape == (5, 0)


def test_the_learning_curve_asks_for_last_items_that_are_new_and_they_are_not_trained_on(tmp_path: Path) -> None:
    users: dict[str, list[tuple[str, float]]] = {
        "u": [("b", 7), ("b", 3), ("a", LAST)],
        "v": [("b", 14)],
        "back to a": [("a", 9), ("b", 8), ("a", 2)],
    }
    dataset = read_dataset(written(tmp_path / "set", training(users), CONTENT, validation_users=5))
    ids = dataset.vocabulary.ids
    assert ids(dataset.histories.item_index).to_list() == ["a", "b", "a", "b", "b", "b"]
    assert dataset.histories.offsets.tolist() == [0, 3, 5, 6]
    assert dataset.histories.columns[REPEATED].tolist() == [False, False, True, False, True, False]
    assert ids(dataset.validation.item_index).to_list() == ["b", "b"]
    assert ids(dataset.validation_targets).to_list() == ["a"]
    assert dataset.validation_times.tolist() == [int(CUTOFF.timestamp() * 1000) - 1]


def test_where_choices_repeat_every_one_is_learned_and_the_last_is_asked_for(tmp_path: Path) -> None:
    users: dict[str, list[tuple[str, float]]] = {
        "back to a": [("a", 9), ("b", 8), ("a", LAST)],
        "x": [("b", 14), ("b", 3)],
    }
    whole = dataset_of(training(users), CONTENT, repeats=True)
    assert whole.repeats
    assert not whole.histories.columns[REPEATED].any()
    asked = dataset_of(training(users), CONTENT, repeats=True, validation_users=5)
    assert asked.vocabulary.ids(asked.validation_targets).to_list() == ["a"]
    assert read_held_out(written(tmp_path / "set", training(users), repeats=True)).cases == {}


def test_popularity_over_time_ends_with_that_at_the_cutoff() -> None:
    dataset = dataset_of(training(HISTORIES), None, validation_users=5)
    assert dataset.popularity
    assert dataset.popularity.moments[-1] == int(CUTOFF.timestamp() * 1000)
    assert dataset.popularity.counts[-1] == pytest.approx(dataset.vocabulary.popularity, rel=1e-5)


def test_the_order_of_users_does_not_matter() -> None:
    forth, back = (
        dataset_of(users, None, validation_users=1)
        for users in (training(HISTORIES), training(dict(reversed(HISTORIES.items()))))
    )
    assert forth.histories.item_index.tolist() == back.histories.item_index.tolist()
    assert forth.validation_targets.tolist() == back.validation_targets.tolist()


def test_who_judges_the_epochs_is_as_before_where_others_come() -> None:
    """A version that is trained on must not have learned what is asked."""
    few: dict[str, list[tuple[str, float]]] = {f"user {n}": [("a", 20 - n), ("b", 9)] for n in range(10)}
    many = few | {f"new {n}": [("a", 5 + n / 10), ("c", 4)] for n in range(8)}
    before, after = (
        set(dataset_of(training(u), None, validation_users=4).validation.timestamps.tolist()) for u in (few, many)
    )
    assert len(before) == len(after) == 4
    old = {time for time in after if time < CUTOFF.timestamp() * 1000 - 9 * 86_400_000}
    assert old < before, "none of the others is drawn in the place of a newcomer"
    assert old


def test_the_share_of_cold_items_is_that_of_the_time_before_the_cutoff() -> None:
    # Known before: a, b, older; a and b had interactions 5 days before the cutoff. What came later does not count.
    made = dataset_of(training(HISTORIES), None)
    assert made.cold_share == pytest.approx(1 / 3)
    assert dataset_of(training({"u": [("a", 7), ("b", 3)]}), None).cold_share == pytest.approx(2 / 3)
    # All of this log is younger than five days: it cannot tell an item that is new from one that is old.
    assert dataset_of(training({"u": [("a", 4), ("b", 3)]}), None).cold_share == pytest.approx(1 / 3)


def test_items_that_have_nothing_are_counted_and_a_set_says_what_its_content_is_made_of(tmp_path: Path) -> None:
    modalities = {"text": Modality(width=2, encoder="mini")}
    told = dataset_of(training(HISTORIES), CONTENT, modalities=modalities)
    assert (told.without_content, told.modalities) == (2, modalities), "of b and older nothing is known"
    bare = dataset_of(training(HISTORIES), None)
    assert (bare.without_content, bare.modalities) == (4, {})
    folder = written(tmp_path / "set", training(HISTORIES), CONTENT, modalities=modalities)
    (folder / "modalities.json").unlink()
    assert read_dataset(folder).modalities == {}, "a set of earlier code"


def test_content_lands_on_its_item() -> None:
    dataset = dataset_of(training(HISTORIES), CONTENT)
    expected = np.array([[0, 0], [0, 0], [3, 4], [0, 0], [1, 2]], np.float32)
    assert np.array_equal(dataset.content, expected)


def test_interactions_soon_after_their_items_first_one_are_hidden() -> None:
    dataset = dataset_of(training(HISTORIES), CONTENT)
    # a: 7 and about 0 days before the cutoff, b: 14 and 3. The log begins with b, which is no new item then.
    assert dataset.histories.item_index.tolist() == [2, 1, 2, 1]
    assert dataset.histories.columns[ID_MASKED].tolist() == [True, False, False, False]


@settings(max_examples=60, deadline=None)
@given(
    users=st.dictionaries(
        st.sampled_from("uvwxyz"),
        st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 20)), max_size=7).map(
            lambda done: sorted(done, key=lambda step: -step[1])
        ),
        min_size=1,
    ),
    by=st.sampled_from([None, "item", "kind"]),
    most=st.integers(1, 9),
)
def test_a_set_is_the_same_to_the_byte_however_much_is_read_at_once(
    users: dict[str, list[tuple[str, float]]], by: Merging | None, most: int
) -> None:
    users |= {"t": [("a", 7), ("a", 6), ("b", 3)]}
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = Path(folder, "whole"), Path(folder, "parts")
        for path, at_once in ((whole, 10**6), (parts, most)):
            written(path, training(users), CONTENT, validation_users=2, most=at_once, merge_adjacent=by)
        assert content_digest(parts) == content_digest(whole)
        dataset, held_out = read_dataset(parts), read_held_out(parts)
        done = sum(days > 0 for history in users.values() for _, days in history)
        assert len(held_out.training.timestamps) == done
        if by is None:
            full = [[days for _, days in users[user] if days > 0] for user in sorted(users)]
            lengths = np.array([len(days) for days in full if days])
            before_last = np.array([sum(day > min(days) for day in days) for days in full if days])
            asked = dataset.histories.lengths < lengths
            assert dataset.histories.lengths.tolist() == np.where(asked, before_last, lengths).tolist()
            assert dataset.validation.lengths.tolist() == before_last[asked].tolist()


def test_what_is_held_out_is_in_the_terms_of_the_vocabulary(tmp_path: Path) -> None:
    users = training({"u": [("b", 2), ("a", 1), ("new", -0.5)], "v": [("b", 1), ("stray", -0.25)], "w": [("a", 3)]})
    held_out = read_held_out(written(tmp_path / "set", users))
    assert list(held_out.cases) == ["time"]
    cases = held_out.cases["time"]
    assert cases.user_ids.to_list() == ["u", "v"]
    assert (cases.histories.item_index.tolist(), cases.histories.offsets.tolist()) == ([2, 1, 2], [0, 2, 3])
    # "stray" came after the cutoff and is in no catalogue: it has a row, and nobody knows it.
    assert read_dataset(tmp_path / "set").vocabulary.item_ids.to_list() == ["a", "b", "new", "stray", "older"]
    assert cases.targets.tolist() == [3, 0]
    assert cases.request_times.tolist() == [int((CUTOFF + timedelta(hours=h)).timestamp() * 1000) for h in (12, 6)]
    assert sorted(held_out.training.item_index.tolist()) == [1, 1, 2, 2]


def test_what_happened_at_once_is_held_out_together_unless_ties_may_be_parted() -> None:
    users: dict[str, list[tuple[str, float]]] = {
        "u": [("b", 9), ("b", 7), ("a", 3), ("b", 3)],
        "v": [("b", 8), ("b", 6), ("a", 2)],
        "only two": [("b", 7), ("a", 1)],
        **{f"x{number}": [("b", 8), ("b", 2)] for number in range(3)},
        **{f"y{number}": [("a", 8), ("b", 2)] for number in range(4)},
    }
    whole = dataset_of(training(users), None, validation_users=99)
    # u, v, "only two" and the y chose something new, and half of them are asked.
    assert len(whole.validation) == 4
    by_user = dict(zip(sorted(users), whole.histories.lengths.tolist(), strict=True))
    full = {user: len(history) for user, history in users.items()}
    asked = [user for user in sorted(users) if by_user[user] < full[user]]
    assert whole.validation.lengths.tolist() == [by_user[user] for user in asked]
    assert all(full[user] - by_user[user] == (2 if user == "u" else 1) for user in asked)
    assert set(asked) <= {"u", "v", "only two", "y0", "y1", "y2", "y3"}
    parted = dataset_of(training(users), None, validation_users=99, hold_out_ties=True)
    # The last by arrival was nothing new to u.
    assert parted.histories.lengths[sorted(users).index("u")] == 4
    assert len(parted.validation) == 3


def test_adjacent_interactions_are_merged_where_asked_for() -> None:
    users = training({"u": [("a", 30), ("a", 6), ("a", 1), ("b", LAST)], "v": [("b", 4), ("b", 3)]})
    users = users.with_columns(actions=pl.Series([[1, 1, 3, 1], [1, 1]]))
    plain, item, kind = (dataset_of(users, CONTENT, merge_adjacent=by) for by in (None, "item", "kind"))
    assert plain.histories.item_index.tolist() == [1, 1, 1, 2, 2, 2]
    assert (item.histories.item_index.tolist(), item.histories.offsets.tolist()) == ([1, 2, 2], [0, 2, 3])
    assert (kind.histories.item_index.tolist(), kind.histories.offsets.tolist()) == ([1, 1, 2, 2], [0, 3, 4])
    # The item's first interaction counts, not the last of the step that it became a part of.
    assert item.histories.columns[ID_MASKED].tolist() == [False, True, True]
    assert np.array_equal(item.vocabulary.popularity, plain.vocabulary.popularity)


def test_nothing_before_the_cutoff_is_said() -> None:
    with pytest.raises(ValueError, match="no positive interaction before 2026-01-10"):
        dataset_of(training({}), None)
