"""Lines of JSON as Python, browsers and warehouses write them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.sources.formats.json_lines import absent_fields, scan_json_lines

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(other=VALUES, text=st.text(st.characters(exclude_categories=["Cs"])))
@settings(max_examples=150)
def test_what_nobody_asked_for_costs_no_row(tmp_path_factory: pytest.TempPathFactory, other: Any, text: str) -> None:
    path = tmp_path_factory.mktemp("json") / "x.jsonl"
    path.write_text(json.dumps({"other": other, "id": 12345678901234567890, "text": text}))
    row = scan_json_lines(path, ["id", "text"]).collect().row(0, named=True)
    assert (row["id"], row["text"], row["malformed"]) == ("12345678901234567890", text, None)


@pytest.mark.parametrize(
    "inner", [{"trace": 1234567890123456789}, {"trace": 1234567890123456789, "a": [1, 2]}, [10**30]]
)
def test_json_within_a_text_is_that_text(tmp_path: Path, inner: Any) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"id": "u1", "payload": json.dumps(inner)}))
    rows = scan_json_lines(path, ["id", "payload"]).collect()
    assert rows.select("id", "payload", "malformed").rows() == [("u1", json.dumps(inner), None)]


def test_bare_nan_is_no_number(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"id": 1, "value": NaN, "n": [NaN, 99999999999999999999]}\n{"id": 2, "value": -Infinity}\n')
    rows = scan_json_lines(path, ["id", "value", "n.1"]).collect()
    assert rows.select("id", "value", "n.1", "malformed").rows() == [
        ("1", None, "99999999999999999999", None),
        ("2", "-Infinity", None, None),
    ]


def test_keys_are_found_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('{"user.id": 1, "a": {"$oid": "x"}, "l": [[1], {"b": 2}]}\n{"late": null}\n')
    fields = ["user.id", "a.$oid", "l.1.b", "late", "l.0.0", "a.b", "gone"]
    assert absent_fields(path, fields) == (["a.b", "gone"], ["user.id", "a", "l"])
    assert scan_json_lines(path, fields).collect().select(fields).row(0) == ("1", "x", "2", None, "1", None, None)
