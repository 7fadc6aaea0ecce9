import numpy as np
import polars as pl
import pytest

from models.content import content_matrix
from models.vocabulary import Vocabulary

VOCABULARY = Vocabulary(pl.Series(["a", "b", "c"]), np.arange(1, 3), np.zeros(4, np.float32))


def content(**vectors: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"item_id": list(vectors), "vector": list(vectors.values())})


def test_a_vector_lands_on_its_items_row() -> None:
    matrix = content_matrix(VOCABULARY, content(c=[1.0, 2.0], a=[3.0, 4.0], gone=[9.0, 9.0]))
    assert matrix.tolist() == [[0, 0], [3, 4], [0, 0], [1, 2]]
    assert matrix.dtype == np.float32


@pytest.mark.parametrize("nothing", [None, content()])
def test_no_content_has_no_width(nothing: pl.DataFrame | None) -> None:
    assert content_matrix(VOCABULARY, nothing).shape == (4, 0)


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_names_its_item(number: float) -> None:
    with pytest.raises(ValueError, match="the content vector of item 'c' is not finite"):
        content_matrix(VOCABULARY, content(a=[3.0, 4.0], c=[1.0, number]))
