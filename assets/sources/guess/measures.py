"""Which columns of a catalogue are numbers that tell items apart, and what stands before their decimals."""

from collections.abc import Sequence
from typing import Literal

import polars as pl

from assets.sources.formats.numbers import bare, with_point
from assets.sources.guess.look import Look
from assets.sources.guess.values import NEARLY_ALL, share

Decimal = Literal[".", ","]
DECIMALS: tuple[Decimal, ...] = (".", ",")

MOSTLY = 0.5
MOST_WORDS = 3
"""Where up to so many different words, such as n/a, stand in place of a number, half of the values suffice."""

LEAST_DIFFERENT = 3
REPEATED = 0.8
"""Of whole numbers that are more different, each names its item."""

UNIT = r"([\p{Sc}%])"


def as_numbers(values: pl.Series, decimal: Decimal) -> pl.Series:
    """(N,) float64: what the reader of a catalogue makes of the texts, null where that is no finite number."""
    return _cast(values, bare(pl.col("x"), decimal), decimal)


def as_plain_numbers(values: pl.Series, decimal: Decimal) -> pl.Series:
    """(N,) float64: the same of the reader of a log, to which the sign of a currency is no part of a number."""
    return _cast(values, pl.col("x").str.strip_chars(), decimal)


def _cast(values: pl.Series, text: pl.Expr, decimal: Decimal) -> pl.Series:
    number = (with_point(text) if decimal == "," else text).cast(pl.Float64, strict=False)
    return values.alias("x").to_frame().select(pl.when(number.is_finite()).then(number)).to_series()


def are_mostly_numbers(values: pl.Series) -> bool:
    """Whether they are numbers with decimals of either kind, but for a few words in place of some."""
    return any(fits(values, decimal) for decimal in DECIMALS)


def are_measures(values: pl.Series, decimal: Decimal) -> bool:
    """Whether they are numbers of one unit of which several items have the same, or that are not whole: no numbers of
    the rows."""
    if not fits(values, decimal) or values.str.extract(UNIT).drop_nulls().n_unique() > 1:
        return False
    numbers = as_numbers(values, decimal).drop_nulls()
    if numbers.n_unique() < LEAST_DIFFERENT:
        return False
    return numbers.n_unique() <= REPEATED * len(numbers) or bool((numbers != numbers.floor()).any())


def decimal_of(look: Look, names: Sequence[str]) -> Decimal:
    """What stands before the decimals of the numbers in those columns, where they are texts: what most of them have."""
    texts = [name for name in names if look.raw.schema[name] == pl.String and are_mostly_numbers(look.texts[name])]
    read = {decimal: [as_numbers(look.texts[name], decimal).is_not_null() for name in texts] for decimal in DECIMALS}
    points = sum(int((one & ~other).sum()) for one, other in zip(read["."], read[","], strict=True))
    commas = sum(int((other & ~one).sum()) for one, other in zip(read["."], read[","], strict=True))
    return "," if commas > points else "."


def fits(values: pl.Series, decimal: Decimal) -> bool:
    """Whether they are numbers with that mark before their decimals, but for a few words in place of some."""
    there = values.drop_nulls()
    numbers = as_numbers(there, decimal)
    words = there.filter(numbers.is_null()).str.to_lowercase().n_unique()
    return share(numbers.is_not_null()) >= (MOSTLY if words <= MOST_WORDS else NEARLY_ALL)
