"""The bench of faults finds what it looks for."""

from pathlib import Path

import polars as pl
import pytest

from benchmarks.fault_line import FIRST_DAY, Line, differing
from benchmarks.fault_tally import Tally
from models.columns import DAY
from storage.sequence_store import FILE, SEQUENCES_TABLE

ROWS = pl.DataFrame({"x": [2, 1], DAY: [FIRST_DAY] * 2})

LEFT_OVER = (
    "tables/items/day=2026-01-01/part-00000-token.parquet",
    "tables/items/_delta_log/00000000000000000001.json#1",
    "staging/token.lock",
    "sequences/part-00000-token.arrow",
    "landing/events/.2026-01-01-0a1b2c3d/part-0.parquet",
    "data_docs/events/2026-01-01.part",
)


@pytest.fixture
def line(tmp_path: Path) -> Line:
    line = Line.made(tmp_path / "line", {"kind": "demo_world"}, days=1)
    line.lake.replace_days("items", ROWS, [FIRST_DAY])
    line.lake.overwrite(SEQUENCES_TABLE, pl.DataFrame({FILE: ["part-00000-committed.arrow"]}))
    with line.lake.output("sequences/part-00000-committed.arrow") as sink:
        sink.write(b"bucket")
    return line


def test_a_clean_line_has_no_leftovers(line: Line) -> None:
    assert line.leftovers() == []


@pytest.mark.parametrize("name", LEFT_OVER)
def test_a_file_that_nobody_names_is_left_over(line: Line, name: str) -> None:
    path = line.state / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"half")
    (left,) = line.leftovers()
    assert path.is_relative_to(left)


def test_every_value_that_differs_is_found() -> None:
    one = {"a": ROWS, "b": ROWS}
    assert differing(one, one) == []
    assert differing(one, {"a": ROWS}) == ["b"]
    assert differing(one, {"a": ROWS, "b": ROWS.with_columns(x=pl.lit(1))}) == ["b"]


@pytest.mark.parametrize(
    ("output", "word", "unexplained"),
    [
        ("genrec: x.csv is damaged: write it again", "x.csv", 0),
        ("genrec: x.csv is damaged: write it again", "y.csv", 1),
        ("Traceback (most recent call last):\ngenrec: x.csv", "", 1),
        ("Killed", "", 1),
        (None, "", 1),
    ],
)
def test_a_failure_is_explained_by_one_sentence(output: str | None, word: str, unexplained: int) -> None:
    tally = Tally(lambda line: None)
    tally.explained("fault", output, word)
    assert tally.figures()["unexplained_failures"] == unexplained
