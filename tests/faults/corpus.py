"""Input files that are wrong in hundreds of ways, made from one good log by a seeded generator.

Of every file it is known which of its rows nobody touched: they must come through whole, unless the file is refused.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random

import polars as pl

DAY = date(2026, 1, 2)
MIDNIGHT = int(datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC).timestamp()) * 1000
ROWS = 24
COLUMNS = ("user_id", "item_id", "timestamp", "action", "value", "surface")

LOG = pl.DataFrame({"n": range(ROWS)}).select(
    user_id=pl.format("user-{}", pl.col("n") + 10),
    item_id=pl.format("item-{}", pl.col("n") % 7),
    timestamp=MIDNIGHT + pl.col("n") * 60_000,
    action=pl.when(pl.col("n") % 2 == 0).then(pl.lit("click")).otherwise(pl.lit("view")),
    value=pl.when(pl.col("n") % 5 != 0).then((pl.col("n") / 4).cast(pl.Float32)),
    surface=pl.when(pl.col("n") % 3 != 0).then(pl.lit("Über home")),
)
"""The good log; every row has a user of its own."""


@dataclass(frozen=True)
class Damaged:
    """A file as it may arrive.

    Attributes:
        name: What was done to it.
        ending: Of its name.
        content: Its bytes.
        touched: Rows of LOG of which nothing is known any more.
        readable: Whether it must be read, because the damage is to single rows.
        records: How many rows it holds, where that is known.
    """

    name: str
    ending: str
    content: bytes
    touched: frozenset[int] = frozenset()
    readable: bool = False
    records: int | None = None


@dataclass(frozen=True)
class Text:
    """The good log as lines.

    Attributes:
        head: What comes before the rows.
    """

    ending: str
    head: list[bytes]
    rows: list[bytes]

    def joined(self, rows: Sequence[bytes] | None = None) -> bytes:
        return b"".join(line + b"\n" for line in [*self.head, *(self.rows if rows is None else rows)])


CSV = Text(
    "csv",
    [",".join(COLUMNS).encode()],
    [",".join("" if cell is None else str(cell) for cell in row).encode() for row in LOG.rows()],
)
JSON_LINES = Text(
    "jsonl",
    [],
    [
        json.dumps(dict(zip(COLUMNS, row, strict=True)), ensure_ascii=n % 2 == 0).encode()
        for n, row in enumerate(LOG.rows())
    ],
)
RATINGS = Text(
    "dat",
    [],
    [f"{n + 10}::{n % 7}::{n % 5 + 1}::{(MIDNIGHT + n * 60_000) // 1000}".encode() for n in range(ROWS)],
)

EVERYTHING = frozenset(range(ROWS))
NOTHING: frozenset[int] = frozenset()

LineDamage = Callable[[Random, bytes], bytes]


def damaged_lines(text: Text, damages: dict[str, LineDamage], times: int) -> Iterator[Damaged]:
    """One or a few lines of `text` damaged: the others must be read as they are."""
    for name, damage in damages.items():
        for number in range(times):
            random = Random(f"{text.ending} {name} {number}")
            # With one stray quote it is clear which line it costs; two may be the ends of a record.
            chosen = random.sample(range(ROWS), 1 if "quote" in name or "flip" in name else random.randint(1, 3))
            rows = list(text.rows)
            for row in chosen:
                rows[row] = damage(random, rows[row])
            whole = all(rows[row].strip() and b"\n" not in rows[row] for row in chosen)
            records = ROWS if whole else None
            yield Damaged(
                f"{name} {number}", text.ending, text.joined(rows), frozenset(chosen), text.ending != "dat", records
            )


def damaged_files(text: Text, damages: dict[str, "FileDamage"], times: int) -> Iterator[Damaged]:
    """`text` damaged as a whole."""
    for name, damage in damages.items():
        for number in range(times):
            made = damage(Random(f"{text.ending} {name} {number}"), text)
            yield Damaged(f"{name} {number}", text.ending, *made)


FileDamage = Callable[[Random, Text], tuple[bytes, frozenset[int], bool, int | None]]
"""Gives what `Damaged` holds after its ending."""
