"""What the values of a column say of what is in it."""

import polars as pl

WHOLE = r"^-?[0-9]+(\.0+)?$"
NUMBER = r"^\s*-?[0-9]+([.,][0-9]+)?\s*$"
WORDS = r"\p{L}{3,}"
ADDRESS = "://"

NEARLY_ALL = 0.95

YES, NO = ("1", "1.0", "true", "yes", "y", "t"), ("0", "0.0", "false", "no", "n", "f")
"""What a flag says, in small letters."""

MOST_MARKS = 101
HIGHEST_MARK = 100
"""Ratings are numbers from 0 to this one, of which there are no more than MOST_MARKS."""

DIFFERENT = 0.8
TWO_WORDS = 0.3
"""Share of titles that consist of several words."""

MOST_CATEGORIES = 100
LEAST_ROWS = 20


def share(holds: pl.Series) -> float:
    """Of how many of all values it holds; of none where there are none."""
    return float(holds.fill_null(False).sum()) / max(1, len(holds))


def are_numbers(values: pl.Series) -> bool:
    """Whether all are, of those that are there."""
    return bool(values.drop_nulls().str.contains(NUMBER).all())


def is_flag(values: pl.Series) -> bool:
    """Whether they say yes and no, each at least once, and nothing else."""
    there = set(values.drop_nulls().str.to_lowercase().unique())
    return there <= {*YES, *NO} and bool(there & set(YES)) and bool(there & set(NO))


def are_marks(values: pl.Series) -> bool:
    """Whether they are numbers as people give them to things: some few from 0 to 100, no flags."""
    there = values.drop_nulls()
    if not 2 <= there.n_unique() <= MOST_MARKS or is_flag(values) or share(there.str.contains(NUMBER)) < NEARLY_ALL:
        return False
    numbers = there.str.replace(",", ".", literal=True).cast(pl.Float64, strict=False).drop_nulls()
    return bool(numbers.is_between(0, HIGHEST_MARK).all())


def are_titles(values: pl.Series) -> bool:
    """Whether they are words, nearly all different, and several of them in many."""
    there = values.drop_nulls()
    return (
        len(there) > 1
        and there.n_unique() >= DIFFERENT * len(there)
        and share(there.str.contains(WORDS)) >= DIFFERENT
        and share(there.str.strip_chars().str.contains(r"\S\s+\S")) >= TWO_WORDS
        and share(there.str.contains(ADDRESS, literal=True)) < 1 - NEARLY_ALL
    )


def are_categories(values: pl.Series, separator: str | None) -> bool:
    """Whether they are words, of which few are different, with `separator` between several of them."""
    there = values.drop_nulls()
    parts = there.str.split(separator).explode() if separator else there
    different = parts.str.strip_chars().unique()
    return (
        len(there) >= LEAST_ROWS
        and 2 <= len(different) <= min(MOST_CATEGORIES, len(there) / 4)
        and share(different.str.contains(WORDS)) >= DIFFERENT
    )
