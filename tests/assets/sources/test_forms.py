"""The form of an export changes nothing: format, types, order of columns, and how the rows are cut into files."""

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.events.clean import clean_events
from assets.events.row_validator import RowValidator
from assets.items.clean import clean_items
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.source import RawTable
from assets.validation.settings import QualitySettings
from storage.schema import QUARANTINE_SCHEMA, IdType
from tests.assets.sources.forms import IDS, NUMBERS, TIMES, Form, Row, forms, moment, written
from tests.assets.sources.validating import NOW

DAY = date(2026, 1, 1)
MIDNIGHT = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1000
DAY_MS = 86_400_000
ELSEWHERE = "elsewhere"
REQUIRED = ("user_id", "item_id", "timestamp", "action")
RULES = QualitySettings(actions=("click", "view"))
INT64 = re.compile(r"0|-?[1-9][0-9]*")

TEXT = st.text(
    st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\N{REPLACEMENT CHARACTER}.eE+"), max_size=6
)
PROSE = st.none() | TEXT | st.sampled_from(["a, b", 'the "best"', "two\nlines", "[x]", "null", "{}", "\\n", "é"])
ID = st.integers(0, 5).map(str) | st.sampled_from(
    ["007", "-3", "9223372036854775807", "9" * 30, "A-1", "a,b", '"', " 7", "", "  "]
)

EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "user_id": st.none() | ID,
            "item_id": ID,
            "timestamp": st.sampled_from([None, "soon", 0, MIDNIGHT + 3 * DAY_MS])
            | st.integers(MIDNIGHT, MIDNIGHT + 5),
            "action": st.sampled_from(["click", "view", "view", "hover", None]),
            "value": st.none() | st.floats(-1e6, 1e6, width=32),
            "surface": PROSE,
            "request_id": st.none() | ID,
        }
    ),
    min_size=1,
    max_size=6,
)
EVENT_FORMS = forms(
    {
        "user_id": IDS,
        "item_id": IDS,
        "timestamp": TIMES,
        "action": ["text", "category"],
        "value": NUMBERS,
        "surface": ["text", "category"],
        "request_id": IDS,
    }
)


@given(events=written(EVENTS, EVENT_FORMS), id_type=st.sampled_from(["string", "int64"]), daily=st.booleans())
@settings(max_examples=80)
def test_events(tmp_path_factory: pytest.TempPathFactory, events: Any, id_type: IdType, daily: bool) -> None:
    rows, parts = events
    raw = _raw("events", tmp_path_factory.mktemp("events"), parts, REQUIRED, daily)
    validator = RowValidator(RULES, id_type, None, NOW, "ms")
    cleaned = list(clean_events(raw, validator, [DAY], rows_in_memory=100_000, scratch=Path()))
    reasons = _reasons(rows, id_type)
    if not daily:
        reasons = [ELSEWHERE if _is_of_another_day(row) else reason for row, reason in zip(rows, reasons, strict=True)]
    rejected = pl.concat([pl.DataFrame(schema=QUARANTINE_SCHEMA), *(part.rejected for part in cleaned)])
    assert _rejected(rejected, parts) == {
        row: reason for row, reason in enumerate(reasons) if reason not in (None, ELSEWHERE)
    }
    good = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    accepted = [row for part in cleaned for row in part.accepted.drop("arrival", "hash_slot", "day").rows()]
    assert sorted(accepted, key=repr) == sorted((_event(row, id_type) for row in good), key=repr)


ODD: dict[str, list[Any]] = {
    "user_id": ["true", "1.5", "{}", "[1]", True, False, 1.5, 100.0, 2.0**60, {"id": 1}, [1], ["a"]],
    "value": [1.5, 2, True, False, {"a": 1}, [1.0]],
    "surface": ["true", "{}", "[x]", True, 1.5, 12.0, {"a": 1}, ["a"], [{"a": 1}]],
    "request_id": ["1.5", True, 100.0, {"a": 1}, [1]],
}
ODD_ITEMS: dict[str, list[Any]] = {
    "item_id": ODD["user_id"],
    "title": ODD["surface"],
    "description": ["{}", ["a", "b"], {"a": 1}, [{"a": 1}], True, 1.5, 12.0],
    "categories": ["a", ["a", "b"], [1], [True], {"a": 1}, [{"name": "a"}], [[{"name": "a"}]], True, 12.0],
    "image": ["/a.png", {"url": "x"}, [{"url": "x"}], ["/a.png"]],
}
"""Of each column values of every type, of which text shows none."""


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in ODD.items() for value in values])
@pytest.mark.parametrize("id_type", ["string", "int64"])
def test_json_of_any_type_is_judged_as_parquet(tmp_path: Path, column: str, value: Any, id_type: IdType) -> None:
    row = {"user_id": 7, "item_id": 1, "timestamp": MIDNIGHT, "action": "click", column: value}
    told = []
    for place in _in_both_forms(tmp_path, row):
        raw = _read("events", place)
        validator = RowValidator(RULES, id_type, None, NOW, "ms")
        (cleaned,) = clean_events(raw, validator, [DAY], rows_in_memory=100, scratch=Path())
        told.append((cleaned.accepted.rows(), cleaned.rejected["reason"].to_list()))
    assert told[0] == told[1]


@pytest.mark.parametrize(("column", "value"), [(name, value) for name, values in ODD_ITEMS.items() for value in values])
def test_items_of_json_of_any_type_are_judged_as_those_of_parquet(tmp_path: Path, column: str, value: Any) -> None:
    told = []
    for place in _in_both_forms(tmp_path, {"item_id": 1, column: value}):
        cleaned = clean_items(_read("items", place), RULES, "string", [DAY])
        told.append((cleaned.accepted.rows(), cleaned.rejected["reason"].to_list()))
    assert told[0] == told[1]


def test_blanks_around_a_category_are_no_part_of_it_in_any_form(tmp_path: Path) -> None:
    for place in _in_both_forms(tmp_path, {"item_id": 1, "categories": ["a ", " ", "", " b"]}):
        cleaned = clean_items(_read("items", place), RULES, "string", [DAY])
        assert cleaned.accepted["categories"].to_list() == [["a", "b"]]


def test_numbers_of_json_are_the_numbers_that_they_are_however_they_are_written(tmp_path: Path) -> None:
    users = ["1e2", "100", "1.0E+2", "100.0", "-1E1", "9007199254740993.0", "1e400", "1.5e0", "true", '"1e2"']
    lines = [
        f'{{"user_id":{user},"item_id":{n},"timestamp":{MIDNIGHT},"action":"click"}}' for n, user in enumerate(users)
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    raw, validator = _read("events", tmp_path), RowValidator(RULES, "string", None, NOW, "ms")
    cleaned = list(clean_events(raw, validator, [DAY], rows_in_memory=100, scratch=Path()))
    accepted = pl.concat([part.accepted for part in cleaned]).sort("item_id")
    assert accepted["user_id"].to_list() == ["100"] * 4 + ["-10", "1e2"]
    rejected = pl.concat([part.rejected for part in cleaned])
    assert rejected["source_row"].to_list() == [5, 6, 7, 8]
    assert [json.loads(row)["mistyped"] for row in rejected["row"]] == ["user_id"] * 4


def _in_both_forms(folder: Path, row: Row) -> list[Path]:
    places = [folder / "json", folder / "parquet"]
    for place in places:
        place.mkdir()
    (places[0] / "a.jsonl").write_text(json.dumps(row))
    pq.write_table(pa.Table.from_pylist([row]), places[1] / "a.parquet")
    return places


def _read(table: RawTable, folder: Path) -> list[pl.LazyFrame]:
    path = {"path": str(folder)}
    source = Files(FilesSettings.model_validate({"kind": "files", "events": path, "items": path}), DAY)
    return source.read(table, source.land(table, [DAY]), [DAY])


def _raw(
    table: RawTable,
    folder: Path,
    parts: Sequence[tuple[int, Sequence[Row], Form]],
    required: Sequence[str],
    daily: bool,
) -> list[pl.LazyFrame]:
    place = folder / DAY.isoformat() if daily else folder
    place.mkdir(exist_ok=True)
    for number, (_, rows, form) in enumerate(parts):
        form.write(place, number, rows, required)
    path = {"path": f"{folder}/{{day}}" if daily else str(folder)}
    source = Files(FilesSettings.model_validate({"kind": "files", "events": path, "items": path}), DAY)
    return source.read(table, source.land(table, [DAY]), [DAY])


def _is_of_another_day(row: Row) -> bool:
    return isinstance(row["timestamp"], int) and row["timestamp"] >= MIDNIGHT + DAY_MS


def _rejected(rejected: pl.DataFrame, parts: Sequence[tuple[int, Sequence[Row], Form]]) -> dict[int, str]:
    """Reason of each rejected row by its place in the table."""
    firsts = [first for first, _, _ in parts]
    places = rejected.select("source_file", "source_row", "reason").rows()
    return {firsts[int(Path(file).name.split(".")[0].removeprefix("part-"))] + row: why for file, row, why in places}


def _reasons(rows: Sequence[Row], id_type: IdType) -> list[str | None]:
    seen = set[tuple[Any, ...]]()
    reasons = list[str | None]()
    for row in rows:
        identity = tuple(row[name] for name in REQUIRED)
        reason = _reason(row, id_type) or ("duplicate" if identity in seen else None)
        reasons.append(reason)
        seen |= {identity} if reason is None else set()
    return reasons


def _reason(row: Row, id_type: IdType) -> str | None:
    missing = [name for name in REQUIRED if row[name] is None or not str(row[name]).strip()]
    if missing:
        return "no_time" if missing == ["timestamp"] else "null_key"
    ids = [row["user_id"], row["item_id"]]
    if id_type == "int64" and not all(INT64.fullmatch(one) and abs(int(one)) < 2**63 for one in ids):
        return "wrong_type"
    if row["timestamp"] == "soon":
        return "wrong_type"
    if row["action"] == "hover":
        return "unknown_action"
    if row["timestamp"] == 0:
        return "timestamp_too_old"
    return "timestamp_in_future" if row["timestamp"] >= MIDNIGHT + DAY_MS else None


def _event(row: Row, id_type: IdType) -> tuple[Any, ...]:
    ids = (int if id_type == "int64" else str)(row["user_id"]), (int if id_type == "int64" else str)(row["item_id"])
    texts = [row[name] if row[name] and row[name].strip() else None for name in ("surface", "request_id")]
    return (*ids, moment(row["timestamp"]), row["action"], row["value"], *texts)


CATEGORY = TEXT.map(lambda text: f"c{text}") | st.sampled_from(
    ['the "best"', "a\\b", "a|b", "[x], [y]", "Comédie", "", "two\nlines", "\U0001f600", "1"]
)
ITEMS = st.lists(
    st.fixed_dictionaries(
        {
            "item_id": st.none() | ID,
            "title": PROSE,
            "description": PROSE.filter(lambda text: not str(text).startswith("[")),
            "categories": st.none() | st.lists(CATEGORY, max_size=3),
            "image": st.none() | st.sampled_from(["/a.png", "s3://b/c.png", "x y.png"]),
            "available_from": st.none() | st.integers(MIDNIGHT - 5, MIDNIGHT + 5) | st.just("soon"),
        }
    ),
    min_size=1,
    max_size=6,
)
ITEM_FORMS = forms(
    {
        "item_id": IDS,
        "title": ["text", "category"],
        "description": ["text"],
        "categories": ["texts"],
        "image": ["text", "category"],
        "available_from": TIMES,
    }
)


@given(items=written(ITEMS, ITEM_FORMS), id_type=st.sampled_from(["string", "int64"]))
@settings(max_examples=60)
def test_items(tmp_path_factory: pytest.TempPathFactory, items: Any, id_type: IdType) -> None:
    (rows, parts), folder = items, tmp_path_factory.mktemp("items")
    raw = _raw("items", folder, parts, ["item_id"], daily=True)
    cleaned = clean_items(raw, RULES, id_type, [DAY])
    reasons, seen = list[str | None](), set[str]()
    for row in rows:
        reason = _reason_of_item(row, id_type) or ("duplicate" if row["item_id"] in seen else None)
        reasons.append(reason)
        seen |= {row["item_id"]} if reason is None else set()
    assert _rejected(cleaned.rejected, parts) == {row: reason for row, reason in enumerate(reasons) if reason}
    good = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    accepted = cleaned.accepted.drop("tags", "numbers", "image_bytes", "day").rows()
    assert accepted == [_item(row, id_type, folder / DAY.isoformat()) for row in good]


def _reason_of_item(row: Row, id_type: IdType) -> str | None:
    if row["item_id"] is None or not row["item_id"].strip():
        return "null_key"
    if id_type == "int64" and not (INT64.fullmatch(row["item_id"]) and abs(int(row["item_id"])) < 2**63):
        return "wrong_type"
    return "wrong_type" if row["available_from"] == "soon" else None


def _item(row: Row, id_type: IdType, folder: Path) -> tuple[Any, ...]:
    title, description, image = (
        row[n] if row[n] and row[n].strip() else None for n in ("title", "description", "image")
    )
    if image and "/" not in image:
        image = f"{folder}/{image}"
    categories = [category.strip() for category in row["categories"] or [] if category.strip()]
    since = MIDNIGHT if row["available_from"] is None else row["available_from"]
    return ((int if id_type == "int64" else str)(row["item_id"]), title, description, categories, image, moment(since))
