"""The one text of an item that is embedded."""

import polars as pl

from models.columns import CATEGORIES, DESCRIPTION, TITLE

LONGEST = 50_000
"""Characters of a text that are kept: encoders read a few hundred words, but would take apart all of a book first."""


def item_text() -> pl.Expr:
    """Title, categories and description as one string; null where the item has none of them.

    The description comes last because encoders cut long texts at the end, and what a title or a category says in
    two words should not be what is lost.
    """
    parts = [
        _clean(pl.col(TITLE)),
        _clean(pl.col(CATEGORIES).list.join(", ", ignore_nulls=True)),
        _clean(pl.col(DESCRIPTION)),
    ]
    return pl.when(pl.any_horizontal(part.is_not_null() for part in parts)).then(
        pl.concat_str(parts, separator=". ", ignore_nulls=True).str.head(LONGEST)
    )


def _clean(text: pl.Expr) -> pl.Expr:
    stripped = text.str.replace_all(r"\s+", " ").str.strip_chars()
    return pl.when(stripped.str.len_bytes() > 0).then(stripped)
