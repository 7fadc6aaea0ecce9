"""Lists that come as text."""

import json

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.sources.formats.json_lists import listed

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4)


def values(text: str) -> list[str] | None:
    return pl.DataFrame({"x": [text]}).select(listed(pl.col("x"))).item(0, 0)


@given(TEXTS, st.booleans())
def test_every_list_of_texts_reads_back(texts: list[str], ascii_only: bool) -> None:
    assert pl.Series(values(json.dumps(texts, ensure_ascii=ascii_only))).to_list() == texts


@given(TEXTS)
def test_so_does_one_that_python_printed(texts: list[str]) -> None:
    read = values(repr(texts))
    assert read is None or pl.Series(read).to_list() == texts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[18, 1234567890123456789012, 0.1, true, null]", ["18", "1234567890123456789012", "0.1", "true"]),
        ('[["A", "B"], ["C"]]', ["A", "B", "C"]),
        ("['A', \"B's\"]", ["A", "B's"]),
        ("['A' 'B']", None),
        ('[{"id": 1}]', None),
        ("[rec] 2", None),
        ("A|B", None),
        ("[" * 100_000, None),
    ],
)
def test_what_is_a_list_and_what_is_none(text: str, expected: list[str] | None) -> None:
    read = values(text)
    assert (None if read is None else pl.Series(read).to_list()) == expected
