from pathlib import Path

import numpy as np
import polars as pl
import pytest

from models.vocabulary import Vocabulary


def test_rows_and_ids_of_strings(tmp_path: Path) -> None:
    vocabulary = Vocabulary(pl.Series(["b", "a", "c"]), 2, np.array([0, 5, 2, 0], np.float32))
    assert vocabulary.indices(["a", "x", "c", "a"]).tolist() == [2, 0, 3, 2]
    assert vocabulary.ids(np.array([3, 1])).to_list() == ["c", "b"]
    vocabulary.write(tmp_path / "v.parquet")
    again = Vocabulary.read(tmp_path / "v.parquet")
    assert again.item_ids.to_list() == ["b", "a", "c"]
    assert (again.trained, again.popularity.tolist()) == (2, [0, 5, 2, 0])


def test_ids_of_another_type_match_where_they_convert() -> None:
    numbers = Vocabulary(pl.Series([10, 20]), 2, np.zeros(3, np.float32))
    assert numbers.indices(["20", "x", "10.5", "020"]).tolist() == [2, 0, 0, 0]
    assert numbers.indices([]).tolist() == []


def test_an_item_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="twice"):
        Vocabulary(pl.Series(["a", "a"]), 2, np.zeros(3, np.float32))
