"""Every raw catalogue row is an item or quarantined with one reason; an image never costs the item."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.items.clean import clean_items
from assets.validation.quarantine import Cleaned
from assets.validation.settings import ItemSettings, QualitySettings
from assets.validation.times import TimestampUnit
from storage.schema import IdType, items_schema

FIRST = date(2026, 1, 1)
DAYS = [FIRST, FIRST + timedelta(days=1)]
RULES = QualitySettings(items=ItemSettings(max_image_bytes=4))


def clean(
    rows: list[dict[str, Any]],
    id_type: IdType = "int64",
    rules: QualitySettings = RULES,
    schema: Any = None,
    unit: TimestampUnit = "iso",
) -> Cleaned:
    good = {"item_id": 1, "day": FIRST, "source_file": "f"}
    whole = [good | {"source_row": n} | row for n, row in enumerate(rows)]
    return clean_items([pl.DataFrame(whole, schema_overrides=schema).lazy()], rules, id_type, DAYS, unit)


def reasons(cleaned: Cleaned) -> list[tuple[int, str]]:
    return cleaned.rejected.select("source_row", "reason").rows()


def test_an_item_without_any_content_is_an_item() -> None:
    cleaned = clean([{}])
    assert cleaned.accepted.schema == pl.Schema(items_schema("int64"))
    assert cleaned.accepted.rows() == [(1, None, None, [], [], [], None, None, datetime(2026, 1, 1, tzinfo=UTC), FIRST)]
    assert cleaned.quarantine.height == 0


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"item_id": None}, "null_key"),
        ({"item_id": "x"}, "wrong_type"),
        ({"available_from": "soon"}, "wrong_type"),
        ({"available_from": 1_767_225_600}, "wrong_type"),
        ({"title": {"en": "A"}}, "wrong_type"),
        ({"categories": [["a"]]}, "wrong_type"),
        ({"tags": [["a"]]}, "wrong_type"),
        ({"image_bytes": "not bytes"}, "wrong_type"),
        ({"malformed": "{"}, "malformed"),
    ],
)
def test_a_bad_row_has_its_reason(bad: dict[str, Any], reason: str) -> None:
    cleaned = clean([bad])
    assert reasons(cleaned) == [(0, reason)]
    assert cleaned.accepted.height == 0


def test_milliseconds_read_as_seconds_are_no_time() -> None:
    assert reasons(clean([{"available_from": 1_767_225_600_000}], unit="s")) == [(0, "wrong_type")]
    assert clean([{"available_from": -1_000_000_000}], unit="s").accepted["available_from"][0].year == 1938


def test_the_first_of_a_day_stays_and_another_day_is_another_version() -> None:
    cleaned = clean([{"title": "a"}, {"title": "b"}, {"title": "c", "day": DAYS[1]}])
    assert cleaned.accepted.select("title", "day").rows() == [("a", FIRST), ("c", DAYS[1])]
    assert reasons(cleaned) == [(1, "duplicate")]


@pytest.mark.parametrize(
    ("given_as", "expected"),
    [(["a", " ", None, "b"], ["a", "b"]), ("drama", ["drama"]), (None, []), ([], []), ([1, 2], ["1", "2"]), ("", [])],
)
def test_categories_become_a_list_of_texts(given_as: Any, expected: list[str]) -> None:
    assert clean([{"categories": given_as}]).accepted["categories"].to_list() == [expected]


def test_an_image_over_the_cap_is_dropped_and_the_item_stays() -> None:
    cleaned = clean([{"title": "a", "image_bytes": b"12345"}, {"item_id": 2, "image_bytes": b"1234"}])
    assert cleaned.accepted.select("item_id", "image_bytes").rows() == [(1, None), (2, b"1234")]
    assert cleaned.rejected.height == 0
    assert cleaned.trimmed.select("source_row", "reason").rows() == [(0, "image_too_large")]
    assert json.loads(cleaned.trimmed["row"][0])["image_bytes"] == 5


@pytest.mark.parametrize("bad", ["n/a", "inf", "1,5", "-Infinity"])
def test_a_number_that_is_none_is_left_out_and_the_item_stays(bad: str) -> None:
    numbers = [{"year": "1999", "price": bad}, {"year": " ", "price": "1e3"}, {"year": "NaN", "price": None}]
    cleaned = clean([{"item_id": n, "numbers": some} for n, some in enumerate(numbers)])
    year, price = {"name": "year", "value": 1999.0}, {"name": "price", "value": 1000.0}
    assert cleaned.accepted["numbers"].to_list() == [[year], [price], []]
    assert cleaned.rejected.height == 0
    assert cleaned.trimmed.select("source_row", "reason", "at_fault").rows() == [(0, "no_number", "price")]
    assert json.loads(cleaned.trimmed["row"][0])["numbers"]["price"] == bad


def test_numbers_of_any_type_are_read_and_what_is_not_finite_is_kept_as_it_was() -> None:
    numbers = [{"year": 1999, "price": float("inf")}, {"year": None, "price": float("nan")}, None]
    cleaned = clean([{"item_id": n, "numbers": some} for n, some in enumerate(numbers)])
    assert cleaned.accepted["numbers"].to_list() == [[{"name": "year", "value": 1999.0}], [], []]
    assert cleaned.trimmed["at_fault"].to_list() == ["price"]
    assert '"price":"inf"' in cleaned.trimmed["row"][0]
    assert clean([{"item_id": None, "numbers": {"year": "x"}}]).trimmed.height == 0, "a rejected row is there once"


def test_bytes_in_the_image_column_are_image_bytes() -> None:
    accepted = clean([{"image": b"1234"}, {"item_id": 2, "image": None}]).accepted
    assert accepted.select("image", "image_bytes").rows() == [(None, b"1234"), (None, None)]
    accepted = clean([{"image": "posters/1.jpg"}]).accepted
    assert accepted.select("image", "image_bytes").rows() == [("posters/1.jpg", None)]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "item_id": st.sampled_from(["1", "2", "03", "x", "", None]),
                "title": st.sampled_from(["t", "", None]),
                "image_bytes": st.sampled_from([b"1", b"12345", None]),
                "available_from": st.sampled_from(["2020-01-01", "soon", "", None]),
                "day": st.sampled_from(DAYS),
            }
        ),
        min_size=1,
        max_size=20,
    )
)
def test_no_row_is_lost(rows: list[dict[str, Any]]) -> None:
    text = dict.fromkeys(("item_id", "title", "available_from"), pl.String) | {"image_bytes": pl.Binary}
    cleaned = clean(rows, schema=text)
    good = [(r["day"], r["item_id"]) for r in rows if r["item_id"] in ("1", "2") and r["available_from"] != "soon"]
    kept = cleaned.accepted.select("day", pl.col("item_id").cast(pl.String)).rows()
    assert kept == sorted(dict.fromkeys(good), key=lambda key: key[0])
    assert cleaned.accepted.height + cleaned.rejected.height == len(rows)
    assert cleaned.accepted["categories"].null_count() == cleaned.accepted["available_from"].null_count() == 0
    assert (cleaned.accepted["image_bytes"].bin.size().fill_null(0) <= 4).all()
