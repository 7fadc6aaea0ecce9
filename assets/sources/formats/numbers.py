"""Numbers as people write them: with a decimal comma, with marks between thousands, with the sign of a currency."""

import polars as pl

WITH_COMMA = r"^\s*[+-]?(?:[0-9]+|[0-9]{1,3}(?:[.\s][0-9]{3})+)(?:,[0-9]+)?\s*$"
"""As many countries write them: 1.234,5 or 1 234,5 is 1234.5."""

THOUSANDS = r"^[+-]?[0-9]{1,3}(?:(?:,[0-9]{3})+\.[0-9]+|(?:,[0-9]{3}){2,})$"
"""With commas that cannot be decimal ones: 1,234.5 and 1,234,567, but not 1,234."""

AROUND = r"^\s*([+-]?)\s*\p{Sc}?\s*([+-]?[0-9.,](?:[0-9.,\s]*[0-9.,])?)\s*[\p{Sc}%]?\s*$"
"""A number with blanks, the sign of a currency or that of percent around it."""


def with_point(text: pl.Expr) -> pl.Expr:
    """The text of the same number with a decimal point; null of what is no number with a decimal comma."""
    plain = text.str.replace_all(r"[.\s]", "").str.replace(",", ".", literal=True)
    return pl.when(text.str.contains(WITH_COMMA)).then(plain)


def bare(text: pl.Expr, decimal: str) -> pl.Expr:
    """The text of a number alone: $1,299.00 is 1299.00, and 5,50 € is 5,50; other text as it is."""
    number = text.str.replace(AROUND, "${1}${2}")
    if decimal == ",":
        return number
    return pl.when(number.str.contains(THOUSANDS)).then(number.str.replace_all(",", "", literal=True)).otherwise(number)
