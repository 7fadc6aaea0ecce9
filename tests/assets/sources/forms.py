"""One table in the forms in which exports come: files of any format, cut anywhere, with types of their own."""

import csv
import gzip
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

Row = Mapping[str, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(milliseconds: Any) -> datetime:
    return EPOCH + timedelta(milliseconds=int(milliseconds))


def whole(value: Any) -> int:
    """Raises ValueError for what is no whole number, or not written as one."""
    if str(int(value)) != str(value):
        raise ValueError(value)
    return int(value)


def exact(value: Any) -> float:
    """Raises ValueError where a float is no longer the number."""
    if abs(whole(value)) > 2**53:
        raise ValueError(value)
    return float(value)


def in_24_bits(value: Any) -> float:
    """As `exact`, of a float32."""
    if abs(whole(value)) > 2**24:
        raise ValueError(value)
    return float(value)


def plain(value: Any) -> Any:
    """What JSON and CSV have instead of a type of their own."""
    return int(value) if isinstance(value, Decimal) else value


KINDS: dict[str, tuple[pa.DataType, Callable[[Any], Any]]] = {
    "text": (pa.string(), str),
    "category": (pa.dictionary(pa.int32(), pa.string()), str),
    "int": (pa.int64(), whole),
    "small": (pa.uint32(), whole),
    "float": (pa.float64(), exact),
    "narrow": (pa.float32(), in_24_bits),
    "decimal": (pa.decimal128(38, 0), lambda value: Decimal(whole(value))),
    "us": (pa.timestamp("us"), moment),
    "utc": (pa.timestamp("ns", "UTC"), moment),
    "kolkata": (pa.timestamp("ms", "Asia/Kolkata"), moment),
    "half-hour": (pa.timestamp("us", "+05:30"), moment),
    "number": (pa.float64(), float),
    "single": (pa.float32(), float),
    "texts": (pa.list_(pa.string()), list),
}
"""Arrow's type, and the value of that type."""

IDS = ("text", "category", "int", "small", "float", "narrow", "decimal")
TIMES = ("int", "float", "decimal", "us", "utc", "kolkata", "half-hour", "text")
NUMBERS = ("number", "single", "text")


@dataclass(frozen=True)
class Form:
    """How one file is written.

    Attributes:
        ending: Of its name; says the format.
        kinds: Of the columns, as far as their values allow it; else they are text.
        omit: Whether columns without any value are left out.
        reverse: Whether the columns stand in the opposite order.
        ends: What ends the lines of text.
        quoting: Of a CSV.
        ascii_only: Whether JSON escapes all other characters.
    """

    ending: str
    kinds: Mapping[str, str]
    omit: bool
    reverse: bool
    ends: str
    quoting: Any
    ascii_only: bool

    def write(self, folder: Path, number: int, rows: Sequence[Row], required: Sequence[str]) -> None:
        """Writes file `number`, which has the columns in `required` in any case."""
        names = [n for n in rows[0] if n in required or not self.omit or any(row[n] is not None for row in rows)]
        columns = {n: self._column(n, [row[n] for row in rows]) for n in (names[::-1] if self.reverse else names)}
        path = folder / f"part-{number}{self.ending}"
        if self.ending == ".parquet":
            pq.write_table(pa.table(columns), path)
            return
        cells = {name: [plain(value) for value in column.to_pylist()] for name, column in columns.items()}
        content = (self._csv(cells) if ".csv" in self.ending else self._json_lines(cells, required)).encode()
        path.write_bytes(gzip.compress(content, 1) if self.ending.endswith(".gz") else content)

    def _column(self, name: str, values: Sequence[Any]) -> pa.Array:
        kind = self.kinds[name]
        if self.ending != ".parquet" and kind in TIMES and KINDS[kind][1] is moment:
            kind = "int"
        for dtype, of_kind in (KINDS[kind], KINDS["text"]):
            try:
                return pa.array([None if value is None else of_kind(value) for value in values], dtype)
            except (ValueError, TypeError, OverflowError, pa.ArrowException):
                continue
        raise AssertionError(values)

    def _csv(self, cells: Mapping[str, Sequence[Any]]) -> str:
        out = io.StringIO(newline="")
        writer = csv.writer(out, quoting=self.quoting, lineterminator=self.ends)
        writer.writerow(cells)
        writer.writerows([_cell(value) for value in row] for row in zip(*cells.values(), strict=True))
        return out.getvalue()

    def _json_lines(self, cells: Mapping[str, Sequence[Any]], kept: Sequence[str]) -> str:
        rows = (dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True))
        if self.omit:
            rows = ({name: value for name, value in row.items() if name in kept or value is not None} for row in rows)
        return "".join(json.dumps(row, ensure_ascii=self.ascii_only) + self.ends for row in rows)


def _cell(value: Any) -> Any:
    return json.dumps(value) if isinstance(value, list) else value


def forms(kinds: Mapping[str, Sequence[str]]) -> st.SearchStrategy[Form]:
    """Args:
    kinds: Of each column those that it may have.
    """
    return st.builds(
        Form,
        ending=st.sampled_from([".csv", ".csv.gz", ".jsonl", ".jsonl.gz", ".parquet"]),
        kinds=st.fixed_dictionaries({name: st.sampled_from(some) for name, some in kinds.items()}),
        omit=st.booleans(),
        reverse=st.booleans(),
        ends=st.sampled_from(["\n", "\r\n"]),
        quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        ascii_only=st.booleans(),
    )


@st.composite
def written(draw: st.DrawFn, rows: st.SearchStrategy[Sequence[Row]], form: st.SearchStrategy[Form]) -> Any:
    """The rows, and neighbouring ones of them with a form each: [(first row, rows, form)]."""
    table = draw(rows)
    cuts = sorted({0, *draw(st.sets(st.integers(1, max(1, len(table) - 1)), max_size=2))} - {len(table)})
    ends = [*cuts[1:], len(table)]
    return table, [(first, table[first:end], draw(form)) for first, end in zip(cuts, ends, strict=True)]
