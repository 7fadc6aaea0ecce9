"""Numbers with a decimal comma, as many countries write them: 1.234,5 is 1234.5."""

import polars as pl

WITH_COMMA = r"^\s*[+-]?(?:[0-9]+|[0-9]{1,3}(?:\.[0-9]{3})+)(?:,[0-9]+)?\s*$"


def with_point(text: pl.Expr) -> pl.Expr:
    """The text of the same number with a decimal point; null of what is no number with a decimal comma."""
    plain = text.str.replace_all(".", "", literal=True).str.replace(",", ".", literal=True)
    return pl.when(text.str.contains(WITH_COMMA)).then(plain)
