import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.content.incremental import assemble, content_hash, no_vectors, to_embed
from storage.vectors import normalised, to_matrix, to_series

CATALOGUES = st.dictionaries(st.integers(0, 99), st.none() | st.sampled_from(["a", "b", "c", "dd", "e"]), max_size=12)


def hashed(items: dict[int, str | None], key: str = "k") -> pl.DataFrame:
    frame = pl.DataFrame(
        {"item_id": list(items), "text": list(items.values())}, schema={"item_id": pl.Int64, "text": pl.String}
    )
    return frame.with_columns(content_hash(key, "text"))


def embedded(items: dict[int, str | None], known: pl.DataFrame) -> tuple[pl.DataFrame, int, int]:
    """Embeds a text as its length and its first letter."""
    frame = hashed(items)
    todo = to_embed(frame, known)
    matrix = np.array([[len(text), ord(text[0])] for text in todo["text"]], np.float32).reshape(-1, 2)
    table = assemble(frame, known, todo.select("content_hash", to_series(matrix, "vector")), 0.0)
    return table.frame, table.embedded, table.reused


@given(CATALOGUES, CATALOGUES)
def test_an_update_equals_a_full_run(before: dict[int, str | None], after: dict[int, str | None]) -> None:
    first, _, _ = embedded(before, no_vectors())
    updated, new, reused = embedded(after, first.select("content_hash", "vector"))
    full, _, _ = embedded(after, no_vectors())
    assert updated.equals(full)
    assert updated["item_id"].to_list() == list(after)
    known = set(before.values())
    assert new == len({text for text in after.values() if text is not None and text not in known})
    assert reused == sum(text is not None and text in known for text in after.values())


def test_items_without_content_have_zeros_and_no_hash() -> None:
    frame, _, _ = embedded({1: "ab", 2: None}, no_vectors())
    assert frame["vector"].to_list() == [[2.0, 97.0], [0.0, 0.0]]
    assert frame["content_hash"].is_null().to_list() == [False, True]


def test_another_encoder_reuses_nothing() -> None:
    assert hashed({1: "a"}, "one")["content_hash"].item() != hashed({1: "a"}, "two")["content_hash"].item()


@given(st.integers(0, 5), st.integers(1, 4))
def test_vectors_survive_the_way_through_a_list_column(n: int, d: int) -> None:
    matrix = np.arange(n * d, dtype=np.float32).reshape(n, d)
    back = to_matrix(to_series(matrix, "vector"))
    assert back.dtype == np.float32
    assert back.tolist() == matrix.tolist()


def test_normalised_rows_have_length_one_or_are_zero() -> None:
    assert normalised(np.array([[3, 4], [0, 0]], np.float32)).tolist() == [[np.float32(0.6), np.float32(0.8)], [0, 0]]
