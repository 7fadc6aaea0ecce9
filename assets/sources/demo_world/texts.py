"""Titles, descriptions and categories, composed from the words of an item's topic and style."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from assets.sources.demo_world.words import DESCRIPTIONS, NAMES, STYLES, TITLES, TOPICS
from models.columns import CATEGORIES, DESCRIPTION, TITLE


def texts(topic: np.ndarray, style: np.ndarray, draw: np.random.Generator) -> pl.DataFrame:
    """One row per item: title, description and categories.

    Args:
        topic: (N,) index into `TOPICS`.
        style: (N,) index into `STYLES`.
        draw: Source of the choice among words.
    """
    words = pl.DataFrame(
        {
            "topic": np.array([t.name for t in TOPICS])[topic],
            "style": np.array([s.name for s in STYLES])[style],
            "hero": _pick([t.heroes for t in TOPICS], topic, draw),
            "object": _pick([t.objects for t in TOPICS], topic, draw),
            "place": _pick([t.places for t in TOPICS], topic, draw),
            "adjective": _pick([s.adjectives for s in STYLES], style, draw),
            "verdict": _pick([s.verdicts for s in STYLES], style, draw),
            "name": np.array(NAMES)[draw.integers(len(NAMES), size=len(topic))],
            "title_form": draw.integers(len(TITLES), size=len(topic)),
            "text_form": draw.integers(len(DESCRIPTIONS), size=len(topic)),
        }
    )
    return words.select(
        _capitalised(_compose(TITLES, "title_form")).alias(TITLE),
        _capitalised(_compose(DESCRIPTIONS, "text_form")).alias(DESCRIPTION),
        pl.concat_list("topic", "style", pl.col("object")).alias(CATEGORIES),
    )


def _pick(choices: Sequence[Sequence[str]], row: np.ndarray, draw: np.random.Generator) -> np.ndarray:
    """(N,) one word each from `choices[row]`."""
    lengths = np.array([len(c) for c in choices])
    table = np.array([[c[i % len(c)] for i in range(lengths.max())] for c in choices])
    return table[row, (draw.random(len(row)) * lengths[row]).astype(np.int64)]


def _compose(forms: Sequence[str], chosen: str) -> pl.Expr:
    """Fills the form that column `chosen` names with the columns that stand in its braces."""
    filled = [pl.when(pl.col(chosen) == number).then(_fill(form)) for number, form in enumerate(forms)]
    return pl.coalesce(filled)


def _fill(form: str) -> pl.Expr:
    parts = [piece.partition("}") for piece in form.split("{")[1:]]
    head = form.partition("{")[0]
    pieces = [pl.lit(head)] + [e for name, _, tail in parts for e in (pl.col(name), pl.lit(tail))]
    return pl.concat_str(pieces)


def _capitalised(text: pl.Expr) -> pl.Expr:
    return text.str.slice(0, 1).str.to_uppercase() + text.str.slice(1)
