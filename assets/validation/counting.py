"""Rows that break expectations, counted by Polars over all rows in one streaming pass."""

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
from polars.exceptions import PolarsError

from assets.validation.expectation import Expectation

EXAMPLES = 5


@dataclass(frozen=True)
class Counts:
    """What a batch holds in the eyes of one expectation.

    Attributes:
        rows: Rows of the batch.
        ignored: Those that the expectation says nothing about.
        unexpected: Those that break it.
        examples: The first few of those.
        error: Why the rows could not be counted, or None.
    """

    rows: int
    ignored: int
    unexpected: int
    examples: pl.DataFrame
    error: str | None = None

    @classmethod
    def joined(cls, parts: Sequence["Counts"]) -> "Counts":
        """The counts of a batch from those of its parts, at least one."""
        return cls(
            sum(part.rows for part in parts),
            sum(part.ignored for part in parts),
            sum(part.unexpected for part in parts),
            pl.concat([part.examples for part in parts], how="diagonal_relaxed").head(EXAMPLES),
            next((part.error for part in parts if part.error is not None), None),
        )


def count(batch: pl.LazyFrame, expectations: Sequence[Expectation]) -> dict[str, Counts]:
    """Counts of every expectation by check name; one that does not fit the batch has an error and spoils no other."""
    try:
        return _counted(batch, expectations)
    except PolarsError as error:
        if len(expectations) == 1:
            return {expectations[0].name: Counts(0, 0, 0, pl.DataFrame(), _sentence(error))}
        return {name: counts for e in expectations for name, counts in count(batch, [e]).items()}


def _counted(batch: pl.LazyFrame, expectations: Sequence[Expectation]) -> dict[str, Counts]:
    flags = _distinct([flag for e in expectations for flag in (e.violation, e.ignored)])
    # The flags are columns before they are summed: summed as expressions, those that look at the row above would be
    # held back for the others, and memory would grow with the table.
    columns = batch.select(flag.alias(str(number)) for number, flag in enumerate(flags))
    rows, *sums = columns.select(pl.len(), pl.all().sum()).collect(engine="streaming").row(0)

    def total(flag: pl.Expr) -> int:
        return next(count for count, known in zip(sums, flags, strict=True) if known.meta.eq(flag))

    def counts(expectation: Expectation) -> Counts:
        unexpected = total(expectation.violation)
        examples = _examples(batch, expectation.violation) if unexpected else pl.DataFrame()
        return Counts(rows, total(expectation.ignored), unexpected, examples)

    return {expectation.name: counts(expectation) for expectation in expectations}


def _distinct(flags: Sequence[pl.Expr]) -> list[pl.Expr]:
    distinct: list[pl.Expr] = []
    for flag in flags:
        if not any(flag.meta.eq(known) for known in distinct):
            distinct.append(flag)
    return distinct


def _examples(batch: pl.LazyFrame, violation: pl.Expr) -> pl.DataFrame:
    flagged = batch.with_columns(violation.alias("broken")).filter("broken").drop("broken")
    return flagged.head(EXAMPLES).collect(engine="streaming")


def _sentence(error: PolarsError) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
