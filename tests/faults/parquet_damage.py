"""Parquet files: damaged ones, and whole ones of every type that writers choose."""

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.faults.corpus import EVERYTHING, LOG, NOTHING, ROWS, Damaged

ENDING = "parquet"
TABLE = LOG.to_arrow().cast(
    pa.schema(
        [
            ("user_id", pa.string()),
            ("item_id", pa.string()),
            ("timestamp", pa.int64()),
            ("action", pa.string()),
            ("value", pa.float32()),
            ("surface", pa.string()),
        ]
    )
)
MOMENTS = [datetime.fromtimestamp(ms / 1000, UTC) for ms in LOG["timestamp"]]


def parquet_corpus() -> list[Damaged]:
    return [*_whole(), *_damaged(12)]


def _written(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _with(column: str, values: pa.Array | pa.ChunkedArray) -> pa.Table:
    return TABLE.set_column(TABLE.schema.get_field_index(column), column, values)


def _cast(column: str, dtype: pa.DataType) -> pa.Table:
    return _with(column, TABLE[column].cast(dtype))


def _whole() -> Iterator[Damaged]:
    """Nothing is wrong with these; what is of the contract must come through."""
    for name, table, options in [*_kept_types(), *_layouts()]:
        yield Damaged(name, ENDING, _written(table, **options), NOTHING, True, ROWS)
    for name, table in _other_types():
        yield Damaged(name, ENDING, _written(table), EVERYTHING, False, table.num_rows)


Variant = tuple[str, pa.Table, dict[str, Any]]


def _kept_types() -> list[Variant]:
    strings = [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())]
    times = [pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC", "Europe/Berlin")]
    numbers = [pa.uint64(), pa.float64(), pa.string(), pa.dictionary(pa.int32(), pa.string())]
    moments = pa.array(MOMENTS, pa.timestamp("us", "UTC"))
    return [
        *((f"ids as {dtype}", _cast("user_id", dtype), {}) for dtype in strings),
        *((f"actions as {dtype}", _cast("action", dtype), {}) for dtype in strings),
        *((f"surfaces as {dtype}", _cast("surface", dtype), {}) for dtype in strings),
        *((f"times as {dtype}", _with("timestamp", moments.cast(dtype)), {}) for dtype in times),
        *((f"times as {dtype}", _with("timestamp", _numbers(dtype)), {}) for dtype in numbers),
        ("times as int96", _with("timestamp", moments), {"use_deprecated_int96_timestamps": True}),
        *((f"values as {dtype}", _cast("value", dtype), {}) for dtype in (pa.float64(), pa.float16(), pa.string())),
        ("values as decimal", _with("value", _decimals()), {}),
    ]


def _numbers(dtype: pa.DataType) -> pa.ChunkedArray:
    text = pa.types.is_string(dtype) or pa.types.is_dictionary(dtype)
    return TABLE["timestamp"].cast(pa.string()).cast(dtype) if text else TABLE["timestamp"].cast(dtype)


def _decimals() -> pa.Array:
    return pa.array([None if cell is None else Decimal(str(cell)) for cell in LOG["value"]], pa.decimal128(20, 4))


def _layouts() -> list[Variant]:
    codecs = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")
    nested = pa.array([{"a": [n, None], "b": {"c": str(n)}} for n in range(ROWS)])
    pairs = pa.array([[("k", n)] for n in range(ROWS)], pa.map_(pa.string(), pa.int64()))
    return [
        *((f"compressed by {codec}", TABLE, {"compression": codec}) for codec in codecs),
        *((f"row groups of {rows}", TABLE, {"row_group_size": rows}) for rows in (1, 7)),
        *((f"pages of version {version}", TABLE, {"data_page_version": version}) for version in ("1.0", "2.0")),
        *((f"format {version}", TABLE, {"version": version}) for version in ("1.0", "2.4", "2.6")),
        ("without dictionaries", TABLE, {"use_dictionary": False}),
        ("without statistics", TABLE, {"write_statistics": False}),
        ("checksums", TABLE, {"write_page_checksum": True}),
        ("delta encoding", TABLE, {"use_dictionary": False, "column_encoding": {"timestamp": "DELTA_BINARY_PACKED"}}),
        ("nested columns besides", TABLE.append_column("extra", nested).append_column("pairs", pairs), {}),
        ("null columns besides", TABLE.append_column("nothing", pa.nulls(ROWS)), {}),
        (
            "our own names besides",
            TABLE.append_column("row", pa.nulls(ROWS)).append_column("index", pa.nulls(ROWS)),
            {},
        ),
        ("columns in another order", TABLE.select(TABLE.column_names[::-1]), {}),
        ("no null allowed", TABLE.cast(_required()), {}),
    ]


def _required() -> pa.Schema:
    return pa.schema([field.with_nullable(field.name in ("value", "surface")) for field in TABLE.schema])


def _other_types() -> list[tuple[str, pa.Table]]:
    """Types that are none of the contract's for a column: each row is quarantined, or taken as what it says."""
    arrays = {
        "binary": pa.array([b"\x00\xff"] * ROWS),
        "fixed binary": pa.array([b"0123456789abcdef"] * ROWS, pa.binary(16)),
        "struct": pa.array([{"a": 1}] * ROWS),
        "list": pa.array([["a"]] * ROWS),
        "fixed list": pa.array([[1.0, 2.0]] * ROWS, pa.list_(pa.float32(), 2)),
        "map": pa.array([[("k", 1)]] * ROWS, pa.map_(pa.string(), pa.int64())),
        "bool": pa.array([True] * ROWS),
        "null": pa.nulls(ROWS),
        "date": pa.array([0] * ROWS, pa.date32()),
        "time": pa.array([1] * ROWS, pa.time64("us")),
        "duration": pa.array([1] * ROWS, pa.duration("ms")),
        "decimal": pa.array([Decimal("1.50")] * ROWS, pa.decimal128(38, 2)),
        "wide decimal": pa.array([Decimal(10) ** 60] * ROWS, pa.decimal256(70, 2)),
        "NaN": pa.array([float("nan")] * ROWS),
        "infinite": pa.array([float("-inf")] * ROWS),
        "huge": pa.array([2**64 - 1] * ROWS, pa.uint64()),
        "least": pa.array([-(2**63)] * ROWS, pa.int64()),
        "small": pa.array([-1] * ROWS, pa.int8()),
        "empty text": pa.array([""] * ROWS),
        "dictionary with nulls": pa.DictionaryArray.from_arrays(pa.array([0, None] * (ROWS // 2)), pa.array(["a"])),
    }
    columns = [name for name in TABLE.column_names if name != "surface"]
    made = [(f"{column} as {name}", _with(column, array)) for name, array in arrays.items() for column in columns]
    far = pa.array([2**62] * ROWS, pa.timestamp("us", "UTC"))
    return [
        *made,
        ("times far away", _with("timestamp", far)),
        ("no rows", TABLE.slice(0, 0)),
        ("no columns", TABLE.select([])),
    ]


def _damaged(times: int) -> Iterator[Damaged]:
    """Nothing in these can be trusted, not even a single value: Parquet has no checksum unless a writer adds one."""
    for name, options in (("plain", {"compression": "none"}), ("zstd", {"compression": "zstd", "row_group_size": 7})):
        content = _written(TABLE, **options)
        footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
        for number in range(times):
            random = Random(f"parquet {name} {number}")
            places = {"page": random.randrange(4, footer), "footer": random.randrange(footer, len(content))}
            for part, place in places.items():
                flipped = content[:place] + bytes([content[place] ^ 1 << random.randrange(8)]) + content[place + 1 :]
                yield Damaged(f"{name} {part} flipped {number}", ENDING, flipped, EVERYTHING)
                zeros = content[:place] + bytes(20) + content[place + 20 :]
                yield Damaged(f"{name} {part} zeroed {number}", ENDING, zeros[: len(content)], EVERYTHING)
                noise = content[:place] + random.randbytes(20) + content[place + 20 :]
                yield Damaged(f"{name} {part} noise {number}", ENDING, noise[: len(content)], EVERYTHING)
            end = random.randrange(len(content))
            yield Damaged(f"{name} cut {number}", ENDING, content[:end], EVERYTHING)
            yield Damaged(f"{name} beginning lost {number}", ENDING, content[end:], EVERYTHING)
            middle = content[:end] + content[end + random.randint(1, 200) :]
            yield Damaged(f"{name} middle lost {number}", ENDING, middle, EVERYTHING)
            yield Damaged(f"{name} rest {number}", ENDING, content + random.randbytes(20), EVERYTHING)
