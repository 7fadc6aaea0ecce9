from collections.abc import Sequence

import numpy as np
import polars as pl

from assets.content.content_embeddings import content_table, nearest
from storage.schema import content_schema, vectors_schema
from storage.vectors import to_matrix


def table(rows: Sequence[tuple[int, str | None, list[float]]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=vectors_schema("int64"), orient="row")


def test_text_and_image_stand_side_by_side_with_zeros_where_missing() -> None:
    texts = table([(1, "t1", [1, 0]), (2, None, [0, 0]), (3, "t3", [0, 1])])
    images = table([(1, "i1", [0.6, 0.8, 0]), (2, None, [0, 0, 0]), (4, "i4", [0, 0, 1])])
    frame = content_table({"text": texts, "image": images})
    absent = ["has_categories", "has_tags", "has_numbers"]
    assert dict(frame.schema) == {name: kind for name, kind in content_schema("int64").items() if name not in absent}
    assert frame["item_id"].to_list() == [1, 2, 3, 4]
    assert frame["content_hash"].to_list() == ["t1+i1", None, "t3", "i4"]
    assert frame["has_text"].to_list() == [True, False, True, False]
    assert frame["has_image"].to_list() == [True, False, False, True]
    expected = [[1, 0, 0.6, 0.8, 0], [0, 0, 0, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 0, 1]]
    np.testing.assert_array_equal(to_matrix(frame["vector"]), np.array(expected, np.float32))


def test_without_image_vectors_the_content_is_the_text() -> None:
    frame = content_table({"text": table([(1, "t1", [1, 0])]), "image": table([(1, None, [])])})
    assert frame["vector"].to_list() == [[1, 0]]
    assert frame["has_image"].to_list() == [False]


def test_another_modality_is_one_more_table() -> None:
    tables = {name: table([(number, name, [1.0] * (number + 1))]) for number, name in enumerate(("a", "b", "c"))}
    frame = content_table(tables)
    assert frame["item_id"].to_list() == [0, 1, 2]
    assert frame["vector"].list.len().to_list() == [6, 6, 6]
    assert frame["vector"][1].to_list() == [0, 1, 1, 0, 0, 0]
    assert frame.select("has_a", "has_b", "has_c").rows() == [
        (True, False, False),
        (False, True, False),
        (False, False, True),
    ]


def test_nearest_leaves_out_the_item_itself() -> None:
    rows = [(i, str(i), vector) for i, vector in enumerate([[1.0, 0.0], [2.0, 0.1], [0.0, 1.0], [0.0, 0.0]])]
    assert nearest(table(rows), [0, 2], 1) == [[1], [1]]
    assert len(nearest(table(rows), [0], 9)[0]) == 3


def test_the_table_says_what_its_vectors_are_made_of() -> None:
    texts, images = table([(1, "t1", [1, 0])]), table([(2, "i2", [0, 0, 1])])
    frame = content_table({"text": texts.with_columns(encoder=pl.lit("mini")), "image": images, "tags": table([])})
    text, image = {"name": "text", "width": 2, "encoder": "mini"}, {"name": "image", "width": 3, "encoder": None}
    assert frame["modalities"].to_list() == [[text, image]] * 2
