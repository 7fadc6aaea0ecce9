"""Names and numbers of items as vectors: what they have in common is near, and what cannot be read does no harm."""

import math
import random

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.content.directions import directions
from assets.content.number_embeddings import WIDTH, number_encoder_key, number_table, number_vectors
from assets.content.tag_embeddings import tag_encoder_key, tag_table, tag_vectors
from storage.schema import items_schema
from storage.vectors import to_matrix
from tests.assets.content.conftest import items_frame

NAMES = pl.List(pl.String())
NUMBERS = items_schema("int64")["numbers"]


def tags(*some: list[str] | None) -> pl.Series:
    return pl.Series("tags", some, dtype=NAMES)


def numbers(name: str, values: list[float | None]) -> pl.Series:
    rows = [None if value is None else [{"name": name, "value": value}] for value in values]
    return pl.Series("numbers", rows, dtype=NUMBERS)


def test_a_name_has_one_direction_for_ever_and_two_are_nearly_at_right_angles() -> None:
    found = directions(pl.Series([f"name {n}" for n in range(200)]), 256)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)
    cosines = (found @ found.T)[~np.eye(200, dtype=bool)]
    assert abs(cosines.mean()) < 0.005
    assert 0.055 < cosines.std() < 0.07, "1/sqrt(256), as of directions drawn at random"
    # A trained projection would mean something else with other signs: these are for ever.
    assert (directions(pl.Series(["drama"]), 64)[0] > 0).astype(int).tolist()[:16] == [
        1,
        1,
        1,
        1,
        0,
        1,
        0,
        0,
        1,
        0,
        1,
        0,
        0,
        0,
        1,
        0,
    ]


def test_other_columns_are_another_encoder_and_a_line_break_makes_no_two_names() -> None:
    keys = [
        tag_encoder_key(pl.DataFrame({"tags": some}), "tags", 128)
        for some in (tags(["brand=a"]), tags(["maker=a"]), tags(["brand=b", "brand=c"]), tags([], None))
    ]
    assert keys == ["tags:brand:signs:128", "tags:maker:signs:128", "tags:brand:signs:128", "tags::signs:128"]
    priced, dated = (pl.DataFrame({"numbers": numbers(name, [1.0, 2.0])}) for name in ("price", "year"))
    assert number_encoder_key(priced) != number_encoder_key(dated)
    names = tags(["a", "b"], ["a\nb"], ["a", "b"], ["a\nb"], ["a\\nb"], ["a\\nb"])
    items = pl.LazyFrame({"item_id": range(6), "tags": names})
    assert tag_table(items, "tags", 64).frame["content_hash"].n_unique() == 3


def test_items_with_common_names_are_near_and_a_name_of_one_item_counts_for_nothing() -> None:
    found = tag_vectors(tags(["a", "b"], ["a", "b", "only"], ["c"], ["c", "a"], ["alone"], [], None), 128)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [1, 1, 1, 1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    assert found[0] @ found[3] > 0.3 > abs(found[0] @ found[2])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdef"), unique=True), min_size=1, max_size=12), st.randoms())
def test_what_comes_beside_turns_no_vector(some: list[list[str]], chance: random.Random) -> None:
    """More items, in another order, with other names: nothing changes for the items of yesterday."""
    kept = [names for names in some for _ in range(2)]  # every name stands at two items at least
    more = [*kept, ["x", "y"], ["y", "x"]]
    chance.shuffle(more)
    before, after = tag_vectors(tags(*kept), 64), tag_vectors(tags(*more), 64)
    for place, names in enumerate(kept):
        np.testing.assert_allclose(before[place], after[more.index(names)], atol=1e-6)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.none() | st.floats(width=64) | st.sampled_from([0.0, 1e300, -1e300]), min_size=1, max_size=20))
def test_numbers_of_all_kinds_become_finite_vectors(values: list[float | None]) -> None:
    found = number_vectors(numbers("price", values))
    assert found.shape == (len(values), WIDTH)
    lengths = np.linalg.norm(found, axis=1)
    usable = [value is not None and math.isfinite(value) for value in values]
    different = len({value for value, is_usable in zip(values, usable, strict=True) if is_usable}) > 1
    np.testing.assert_allclose(lengths, [float(one and different) for one in usable], atol=1e-5)
    for value, vector in zip(values, found, strict=True):
        if value is not None and math.isfinite(value):
            np.testing.assert_array_equal(vector, found[values.index(value)])


@pytest.mark.parametrize("outlier", [1e12, math.inf, math.nan])
def test_an_outlier_moves_no_other_number(outlier: float) -> None:
    years = [float(year) for year in range(1950, 2000)]
    found = number_vectors(numbers("year", [*years, outlier]))[:-1]
    near, far = (float(found[20] @ found[other]) for other in (21, 45))
    assert near > 0.9 > 0.5 > far
    np.testing.assert_allclose(found, number_vectors(numbers("year", [*years, 2000.0]))[:-1], atol=0.1)


def test_an_item_may_lack_everything_and_the_tables_say_so() -> None:
    rows: list[dict[str, object]] = [
        {"item_id": 1, "categories": ["a"], "numbers": [{"name": "year", "value": 1.0}]},
        {"item_id": 2, "categories": ["a", "b"], "numbers": [{"name": "year", "value": 2.0}]},
        {"item_id": 3},
    ]
    items = items_frame(rows).lazy()
    for table in (tag_table(items, "categories", 64), number_table(items)):
        assert table.frame["content_hash"].is_null().to_list() == [False, False, True]
        assert to_matrix(table.frame["vector"]).any(axis=1).tolist() == [True, True, False]
    nobody = tag_table(items, "tags", 64).frame
    assert nobody["content_hash"].null_count() == 3
    assert nobody["vector"].list.len().to_list() == [0, 0, 0], "what nobody has takes no room"


def test_renamed_content_is_told_by_its_hash() -> None:
    def hashes(name: str) -> list[str]:
        items = items_frame([{"item_id": n, "categories": [name]} for n in range(2)]).lazy()
        return tag_table(items, "categories", 64).frame["content_hash"].to_list()

    assert hashes("a") == hashes("a") != hashes("b")
