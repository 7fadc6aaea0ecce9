"""An expectation, once: the rule in Great Expectations' words, and which rows break it in Polars.

Polars counts all rows that break it; Great Expectations judges the counts (`assets.validation.validation`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import polars as pl

Severity = Literal["block", "warn"]
Batch = Literal["rows", "days", "versions"]


@dataclass(frozen=True)
class Expectation:
    """One rule about a table.

    Attributes:
        type: Name of the expectation in Great Expectations, in snake case.
        columns: Columns that it is about.
        arguments: Its further arguments.
        violation: True for each row that breaks the rule; null or false for the others.
        why: One sentence for the reader of the UI.
        severity: block: nothing is published when it fails; warn: it is only shown.
        batch: Which frame is judged: the rows, their summary by day, or that of a model's version.
        ignored: True for each row that the rule says nothing about, such as one without a value.
        unknown: What a reader is told where the summary has no value.
        remedy: What a reader does about rows that break it, in one sentence.
        name: The name of the asset check, for a person to read.
    """

    type: str
    columns: tuple[str, ...]
    arguments: Mapping[str, Any] = field(hash=False)
    violation: pl.Expr = field(hash=False, compare=False, repr=False)
    why: str
    severity: Severity = "block"
    batch: Batch = "rows"
    ignored: pl.Expr = field(default_factory=lambda: pl.lit(False), hash=False, compare=False, repr=False)
    unknown: str = ""
    remedy: str = ""
    name: str = field(kw_only=True)

    @property
    def former_name(self) -> str:
        """What the check was called in profiles of earlier versions."""
        return f"{self.type}__{'_'.join(self.columns)}"

    @property
    def call(self) -> str:
        """The expectation as a reader would write it."""
        shown = ", ".join(f"{key}={_shown(value)}" for key, value in self.arguments.items())
        return f"{self.type}({shown})"


def not_null(column: str, why: str) -> Expectation:
    return Expectation(
        "expect_column_values_to_not_be_null",
        (column,),
        {"column": column},
        pl.col(column).is_null(),
        why,
        name=f"{column}_not_null",
    )


def between(
    column: str,
    low: Any,
    high: Any,
    why: str,
    severity: Severity = "block",
    batch: Batch = "rows",
    unknown: str = "",
    name: str = "",
    remedy: str = "",
) -> Expectation:
    """Values, where there are any, lie in [low, high]; None leaves a side open."""
    value = pl.col(column)
    outside = ([] if low is None else [value < low]) + ([] if high is None else [value > high])
    return Expectation(
        "expect_column_values_to_be_between",
        (column,),
        {"column": column, "min_value": low, "max_value": high},
        pl.any_horizontal(outside),
        why,
        severity,
        batch,
        value.is_null(),
        unknown,
        remedy,
        name=name or f"{column}_in_range",
    )


def one_of(column: str, values: Sequence[str], why: str) -> Expectation:
    return Expectation(
        "expect_column_values_to_be_in_set",
        (column,),
        {"column": column, "value_set": list(values)},
        ~pl.col(column).is_in(list(values)),
        why,
        ignored=pl.col(column).is_null(),
        name=f"{column}_in_vocabulary",
    )


def unique_together(columns: Sequence[str], why: str) -> Expectation:
    """No two rows are equal in `columns`; needs the whole table at once, so it is for small ones."""
    return _unique(columns, pl.struct(*columns).is_duplicated(), why)


def unique_neighbours(columns: Sequence[str], within: str, why: str) -> Expectation:
    """No row repeats the one above it, in a table of any size whose equal rows stand side by side.

    Args:
        within: Rows that differ here do not repeat each other.
    """
    above = pl.all_horizontal(pl.col(column).eq_missing(pl.col(column).shift(1)) for column in (*columns, within))
    return _unique(columns, above, why)


def _unique(columns: Sequence[str], repeated: pl.Expr, why: str) -> Expectation:
    # Great Expectations does not judge rows without any value.
    empty = pl.all_horizontal(pl.col(column).is_null() for column in columns)
    return Expectation(
        "expect_compound_columns_to_be_unique",
        tuple(columns),
        {"column_list": list(columns)},
        repeated & ~empty,
        why,
        ignored=empty,
        name="no_duplicates",
    )


def with_overrides(
    expectations: Iterable[Expectation], table: str, severity: Mapping[str, Severity]
) -> list[Expectation]:
    """`expectations` with the profile's severities, which are keyed '<table>.<check name>'.

    Raises:
        ValueError: an override names a check that `table` does not have.
    """
    known = list(expectations)
    mine = {key.removeprefix(f"{table}."): value for key, value in severity.items() if key.startswith(f"{table}.")}
    strange = sorted(mine.keys() - {expectation.name for expectation in known})
    if strange:
        renamed = {expectation.former_name: expectation.name for expectation in known}
        if strange[0] in renamed:
            raise ValueError(f"quality.severity: {table}.{strange[0]} is called {table}.{renamed[strange[0]]} now")
        names = ", ".join(expectation.name for expectation in known)
        raise ValueError(f"quality.severity: table '{table}' has no check '{strange[0]}'; it has {names}")
    return [replace(expectation, severity=mine.get(expectation.name, expectation.severity)) for expectation in known]


def _shown(value: Any) -> str:
    return value.isoformat(sep=" ") if hasattr(value, "hour") else repr(value)
