import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.content.item_text import LONGEST, item_text

SCHEMA = {"title": pl.String(), "description": pl.String(), "categories": pl.List(pl.String())}


def text_of(title: str | None, description: str | None, categories: list[str | None] | None) -> str | None:
    frame = pl.DataFrame([(title, description, categories)], schema=SCHEMA, orient="row")
    return frame.select(item_text()).item()


def test_title_and_categories_stand_before_the_description() -> None:
    assert text_of("Heat", "A thief\n and  a cop.", ["Crime", "Drama"]) == "Heat. Crime, Drama. A thief and a cop."


def test_missing_parts_leave_no_trace() -> None:
    assert text_of("Heat", None, None) == "Heat"
    assert text_of(None, "A thief.", []) == "A thief."
    assert text_of("  ", "A thief.", [None, "Crime"]) == "Crime. A thief."


def test_no_text_at_all_is_null() -> None:
    assert text_of(None, None, None) is None
    assert text_of(" ", "\n", [""]) is None


def test_of_a_book_the_beginning_is_kept() -> None:
    text = text_of("Heat", "x" * 10**7, None)
    assert text is not None
    assert text.startswith("Heat. xxx")
    assert len(text) == LONGEST


@given(st.none() | st.text(), st.none() | st.text(), st.none() | st.lists(st.none() | st.text()))
def test_never_an_empty_string(title: str | None, description: str | None, categories: list[str | None] | None) -> None:
    assert text_of(title, description, categories) != ""
