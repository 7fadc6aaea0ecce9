"""JSON Lines as Python writes them cost no row, and ids are the same ones in every format."""

from datetime import date
from pathlib import Path

import pytest

from tests.assets.sources.validating import judged
from tests.cases.folder import cases, source

DAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("events", [None, None, None, None]),
        ("mapped_nan", [None, 1.5]),
        ("unmapped_nan", [None, None]),
    ],
)
def test_every_line_is_accepted(name: str, values: list[float | None], tmp_path: Path) -> None:
    events, reasons = judged(source(cases("json_lines") / f"{name}.jsonl", DAY), [DAY], ["click"], "string", tmp_path)
    assert not reasons
    assert events.sort("user_id")["value"].to_list() == values


@pytest.mark.parametrize(
    ("ending", "users", "rejected"), [("csv", ["12"], {"duplicate": 1}), ("parquet", ["12", "13"], {"null_key": 1})]
)
def test_12_and_12_0_are_one_id(ending: str, users: list[str], rejected: dict[str, int], tmp_path: Path) -> None:
    path = cases("json_lines") / f"float_ids.{ending}"
    events, reasons = judged(source(path, DAY), [DAY], ["click"], "string", tmp_path)
    assert sorted(events["user_id"]) == users
    assert reasons == rejected
