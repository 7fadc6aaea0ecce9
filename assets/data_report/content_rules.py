"""What does not fit in what is known of the items: cells that were left out, and columns that tell nothing."""

from collections.abc import Iterator
from datetime import date

import polars as pl

from assets.data_report.seen import Finding, Seen, counted, such_as
from assets.sources.formats.numbers import WITH_COMMA
from assets.validation.quarantine import Reason
from models.columns import AT_FAULT, AVAILABLE_FROM, REASON, ROW

FEW = 0.01
"""A smaller share of the items is not worth a word."""

MANY = 0.5

FIRST_YEAR = (date(1970, 1, 1), date(1971, 1, 1))
"""Where a number is in milliseconds that counts seconds, or the digits of a date."""


def numbers(seen: Seen) -> Iterator[Finding]:
    """Columns of numbers of which nothing, or not all, is one, and such as tell no item from another."""
    keys, aside, items = seen.settings.keys, seen.evidence.items_trimmed, seen.content.items
    left_out = aside.at_fault(Reason.NO_NUMBER)
    for name in keys.numbers if items else ():
        column, there = keys.items.column(name), seen.content.numbers.get(name)
        rows, having = left_out.get(column, 0), there.items if there else 0
        if rows > FEW * items or (rows and not having):
            values = _values(seen, name, column)
            what = f"{counted(rows, 'row')} of the catalogue {'has' if rows == 1 else 'have'} a value{such_as(values)}"
            what += f" in {column!r}, which is no number and is left out, so that {_share(having, items)} one"
            yield Finding("source.items.numbers", what, _advice(values, keys.items.decimal, having))
        elif not having:
            what = f"no item has a value in {column!r}"
            yield Finding("source.items.numbers", what, "map the column that has them, or leave it out")
        elif there and there.different == 1:
            what = f"all items have the same number in {column!r}, which tells none from another"
            yield Finding("source.items.numbers", what, "leave it out")


def tags(seen: Seen) -> Iterator[Finding]:
    """Columns of names of which no two items share any."""
    keys = seen.settings.keys
    for name in keys.tags if seen.content.items else ():
        there = seen.content.tags.get(name)
        if there is None or there.different == there.values:
            what = "no item has a name" if there is None else f"no two of {counted(there.items, 'item')} share a name"
            what = f"{what} in {keys.items.column(name)!r}, so that it tells nothing"
            yield Finding("source.items.tags", what, "leave it out, or look at `category_delimiter`")


def large_images(seen: Seen) -> Iterator[Finding]:
    rows, most = (
        seen.evidence.items_trimmed.because_of(Reason.IMAGE_TOO_LARGE),
        seen.settings.quality.items.max_image_bytes,
    )
    if rows:
        what = f"{counted(rows, 'image')} of more than {most:,} bytes {'is' if rows == 1 else 'are'} left out"
        yield Finding("quality.items.max_image_bytes", what, "make them smaller, or allow for it")


def times(seen: Seen) -> Iterator[Finding]:
    """Items that seem to be there since 1970, as those are whose time is read in the wrong unit."""
    keys, items = seen.settings.keys, seen.evidence.items
    if not (keys.has_catalogue and keys.items.times and seen.content.items):
        return
    first, end = FIRST_YEAR
    since = pl.col(AVAILABLE_FROM).dt.date()
    rows = int(items.select(((since >= first) & (since < end)).sum()).collect().item())
    if rows > MANY * seen.content.items and seen.evidence.days[0] >= end:
        what = f"{AVAILABLE_FROM} of {rows:,} of {seen.content.items:,} items lies in {first:%Y}"
        yield Finding(
            keys.items.time_unit, what, "if that cannot be, write the unit or the form in which the times are"
        )


def _values(seen: Seen, name: str, column: str) -> pl.Series:
    """What rows have for that number, where it is none, the most frequent first."""
    rows = seen.evidence.items_trimmed.examples.filter(pl.col(REASON) == Reason.NO_NUMBER)
    of_name = rows.filter(pl.col(AT_FAULT).str.split(", ").list.contains(column))[ROW]
    values = of_name.str.json_decode(pl.Struct({"numbers": pl.Struct({name: pl.String})}))
    texts = values.struct.field("numbers").struct.field(name).alias("value").drop_nulls()
    return texts.value_counts().sort("count", "value", descending=[True, False])["value"]


def _share(having: int, items: int) -> str:
    return (
        f"{having:,} of {items:,} items {'has' if having == 1 else 'have'}"
        if having
        else f"none of {items:,} items has"
    )


def _advice(values: pl.Series, decimal: str, having: int) -> str:
    with_comma = values.str.contains(WITH_COMMA) & values.str.contains(",", literal=True)
    if decimal == "." and with_comma.sum() > MANY * len(values):
        return 'write `decimal: ","` in `source.items`'
    if decimal == "," and values.cast(pl.Float64, strict=False).is_not_null().sum() > MANY * len(values):
        return 'write `decimal: "."` in `source.items`'
    if having:
        return "nothing, if no number is known of these; else write them as plain numbers"
    return "write them as plain numbers; or if they are names, put the column among `tags`"
