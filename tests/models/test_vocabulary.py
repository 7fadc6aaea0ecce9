from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.vocabulary import Vocabulary

ITEMS = st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.booleans()), unique_by=lambda item: item[0])
"""(id, known, trained) in the order of their indices."""


def made(items: list[tuple[int, bool, bool]], reverse: bool = False) -> Vocabulary:
    trained = np.array([index for index, (_, known, seen) in enumerate(items, 1) if known and seen], np.int64)
    unlisted = np.array([index for index, (_, known, _) in enumerate(items, 1) if not known], np.int64)
    ids = pl.Series([item for item, *_ in items], dtype=pl.Int64)
    popularity = np.arange(len(items) + 1, dtype=np.float32)
    return Vocabulary(ids, trained[::-1].copy() if reverse else trained, popularity, unlisted)


def test_indices_and_ids_of_strings(tmp_path: Path) -> None:
    vocabulary = Vocabulary(pl.Series(["b", "a", "c"]), np.array([2, 1]), np.array([0, 5, 2, 0], np.float32))
    assert vocabulary.indices(["a", "x", "c", "a"]).tolist() == [2, 0, 3, 2]
    assert vocabulary.ids(np.array([3, 1])).to_list() == ["c", "b"]
    vocabulary.write(tmp_path / "v.parquet")
    again = Vocabulary.read(tmp_path / "v.parquet")
    assert again.item_ids.to_list() == ["b", "a", "c"]
    assert (again.trained.tolist(), again.popularity.tolist()) == ([2, 1], [0, 5, 2, 0])


@given(items=ITEMS)
def test_what_the_catalogue_does_not_list_is_as_unknown_as_what_has_no_index(
    tmp_path_factory: pytest.TempPathFactory, items: list[tuple[int, bool, bool]]
) -> None:
    path = tmp_path_factory.mktemp("one") / "v.parquet"
    made(items, reverse=True).write(path)
    vocabulary = Vocabulary.read(path)
    expected = [index if known else 0 for index, (_, known, _) in enumerate(items, 1)]
    assert vocabulary.indices(vocabulary.item_ids).tolist() == expected
    assert vocabulary.known_items.tolist() == [index for index in expected if index]
    assert sorted([*vocabulary.known_items, *vocabulary.unknown_items]) == list(range(len(items) + 1))
    assert vocabulary.trained.tolist() == made(items).trained.tolist()[::-1]


@given(parent=ITEMS, items=ITEMS, reverse=st.booleans())
def test_what_a_parent_trained_keeps_its_order_and_new_items_follow(
    parent: list[tuple[int, bool, bool]], items: list[tuple[int, bool, bool]], reverse: bool
) -> None:
    before, own = made(parent, reverse), made(items)
    after = own.following(before)
    known = set(own.ids(own.known_items))
    theirs = [item for item in before.ids(before.trained) if item in known]
    found = after.ids(after.trained).to_list()
    assert found[: len(theirs)] == theirs
    assert found[len(theirs) :] == [item for item in own.ids(own.trained) if item not in theirs]
    assert after.item_ids.equals(own.item_ids)


def test_items_of_another_lake_are_matched_by_their_ids() -> None:
    before = Vocabulary(pl.Series(["7", "07", "9"]), np.array([3, 2, 1]), np.zeros(4, np.float32))
    own = Vocabulary(pl.Series([9, 8, 7]), np.array([2, 3]), np.zeros(4, np.float32))
    assert own.ids(own.following(before).trained).to_list() == [9, 7, 8]


def test_ids_of_another_type_match_where_they_convert() -> None:
    numbers = Vocabulary.untrained(pl.Series([10, 20]))
    assert numbers.indices(["20", "x", "10.5", "020"]).tolist() == [2, 0, 0, 0]
    assert numbers.indices([]).tolist() == []


def test_an_item_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Vocabulary.untrained(pl.Series(["a", "a"]))


@pytest.mark.parametrize("trained", [[1, 1], [2], [0]])
def test_trained_items_that_are_not_known_or_not_different_are_refused(trained: list[int]) -> None:
    with pytest.raises(ValueError, match="trained items"):
        Vocabulary(pl.Series(["a", "b"]), np.array(trained), np.zeros(3, np.float32), np.array([2]))


def test_a_file_of_earlier_code_says_to_train_again(tmp_path: Path) -> None:
    old = pl.DataFrame({"item_id": ["a"], "row": [1], "popularity": [1.0], "trained": [True]})
    old.write_parquet(tmp_path / "v.parquet")
    with pytest.raises(ValueError, match="train the version again"):
        Vocabulary.read(tmp_path / "v.parquet")
