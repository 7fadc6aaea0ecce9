"""The header of a CSV is a record like any other, and what is mapped must be there."""

from datetime import date

import pytest

from assets.sources.source import SourceError
from tests.assets.sources.validating import read
from tests.cases.folder import cases, source

DAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("header_quoted_comma", "title, long"),
        ("header_newline", "title\nof item"),
        ("cr_only", "title"),
    ],
)
def test_all_records_are_read(name: str, title: str) -> None:
    items = source(cases("csv") / f"{name}.csv", DAY, "items", columns={"title": title})
    assert read(items, "items", [DAY]).select("item_id", "title", "malformed").rows() == [
        ("1", "a", None),
        ("2", "b", None),
    ]


def test_columns_beside_one_with_a_comma_are_read() -> None:
    items = source(cases("csv") / "items2.csv", DAY, "items", columns={"item_id": "sku", "title": "name"})
    rows = read(items, "items", [DAY])
    assert rows["malformed"].null_count() == rows.height > 0
    assert rows["title"].to_list() == [f"thing {item.removeprefix('i')}" for item in rows["item_id"]]


def test_a_mapped_column_that_is_not_there_is_named() -> None:
    files = source(cases("csv") / "events.csv", DAY, columns={"surface": "pgae"})
    with pytest.raises(SourceError, match=r"no column 'pgae' for surface \(it has user_id, item_id, .*page\)"):
        files.land("events", [DAY])
