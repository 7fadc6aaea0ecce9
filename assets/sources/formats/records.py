"""Lines of quoted text as records: a field in quotes may hold line breaks, and a stray quote must cost one line only.

A record of several lines begins with a line that has an odd number of quotes and ends with the next such line. Two such
lines are taken for its ends only if what lies between them has a record's shape; otherwise the first one stands alone,
as the line with a stray quote that it probably is, and the search goes on from the next line. What a line belongs to
thus depends on the text around it alone, never on where a block of text ends.
"""

from collections.abc import Callable, Iterator
from itertools import chain

import numpy as np
import polars as pl

from assets.sources.formats.text import LINE

LONGEST_RECORD = 2**20
"""Bytes of a record of several lines; what a stray quote opens is held back no longer than that."""

Span = tuple[int, int]
"""First and last line of a record."""


def whole_records(blocks: Iterator[pl.Series], shaped: Callable[[pl.Series], pl.Series]) -> Iterator[pl.Series]:
    """Lines, those of one record joined by line breaks; blank lines stay where they stand alone.

    Args:
        blocks: The lines of a file, block by block.
        shaped: Tells of each of many texts whether it has the shape of a record.
    """
    held = pl.Series(LINE, dtype=pl.String)
    for block in chain(blocks, [None]):
        lines = held if block is None else pl.concat([held, block])
        odd = (lines.str.count_matches('"', literal=True) % 2 == 1).arg_true().to_numpy()
        ends = lines.str.len_bytes().cum_sum().to_numpy()
        spans = _spans(lines, _candidates(odd, ends), shaped)
        whole = len(lines) if block is None else _first_open(odd, ends, spans)
        yield _joined(lines.head(whole), spans)
        held = lines.slice(whole)


def _candidates(odd: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(N, 2) neighbouring odd lines that are close enough to be the ends of one record."""
    pairs = np.stack([odd[:-1], odd[1:]], axis=1)
    return pairs[ends[pairs[:, 1]] - ends[pairs[:, 0]] <= LONGEST_RECORD]


def _spans(lines: pl.Series, candidates: np.ndarray, shaped: Callable[[pl.Series], pl.Series]) -> list[Span]:
    """The candidates that are records, none of which shares a line with the one before it."""
    if not len(candidates):
        return []
    ranges = pl.DataFrame(candidates, schema=["first", "last"], orient="row")
    listed = ranges.with_columns(pl.int_ranges("first", pl.col("last") + 1).alias("index")).explode("index")
    texts = (
        listed.with_columns(lines.gather(listed["index"]).alias(LINE))
        .group_by("first", "last", maintain_order=True)
        .agg(pl.col(LINE).str.join("\n"))
    )
    spans: list[Span] = []
    for first, last in texts.filter(shaped(texts[LINE])).select("first", "last").iter_rows():
        if not spans or first > spans[-1][1]:
            spans.append((first, last))
    return spans


def _first_open(odd: np.ndarray, ends: np.ndarray, spans: list[Span]) -> int:
    """The line with which a record may begin that ends in a later block; the number of lines where there is none."""
    closed = not len(odd) or bool(spans and spans[-1][1] == odd[-1])
    return len(ends) if closed or ends[-1] - ends[odd[-1]] > LONGEST_RECORD else int(odd[-1])


def _joined(lines: pl.Series, spans: list[Span]) -> pl.Series:
    if not spans:
        return lines
    first, last = np.array(spans).T
    steps = np.zeros(len(lines) + 1, np.int64)
    steps[first + 1] += 1
    steps[last + 1] -= 1
    record = pl.Series("record", (steps.cumsum()[:-1] == 0).cumsum())
    return pl.DataFrame([record, lines]).group_by("record", maintain_order=True).agg(pl.col(LINE).str.join("\n"))[LINE]
