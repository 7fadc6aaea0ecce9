"""Types of Parquet columns that Polars does not know, and files that it does not take."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.sources.formats.parquet import parquet_columns, scan_parquet
from assets.sources.source import SourceError

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ID = UUID("00112233-4455-6677-8899-aabbccddeeff")
LONG = Decimal("1234567890123456789012345678901234567890123456789.5")


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (pa.array([NOON, None], pa.timestamp("ms", "+05:30")), [NOON, None]),
        (pa.array([NOON], pa.timestamp("us", "-03:30")), [NOON]),
        (pa.array([NOON], pa.timestamp("ns", "Asia/Kathmandu")), [NOON]),
        (pa.array([ID.bytes, None], pa.uuid()), [str(ID), None]),
        (pa.array([LONG, None], pa.decimal256(60, 1)), [str(LONG), None]),
        (pa.array([{"of": NOON}], pa.struct({"of": pa.timestamp("us", "+05:45")})), [{"of": NOON}]),
    ],
)
def test_a_column_is_read_wanted_or_not(tmp_path: Path, values: Any, read: list[Any]) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"odd": values, "id": pa.array(range(len(values)))}), path)
    assert scan_parquet(path, ["id"]).collect()["id"].to_list() == list(range(len(values)))
    rows = scan_parquet(path).collect()
    assert rows["source_row"].to_list() == list(range(len(values)))
    assert rows["odd"].to_list() == read


def test_a_column_that_stands_twice_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"]), path)
    with pytest.raises(SourceError, match=r"x\.parquet has the column 'x' twice"):
        parquet_columns(path)
