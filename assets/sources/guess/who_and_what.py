"""Which column is the user and which the item: by names; where these say nothing, by what sets people apart.

What one person does lies close together in time, and later rows are rather of new people than of new items. Where there
is no time, rows are in the order of their users, so that those of one user stand together. Where none of this tells,
logs mostly have the user before the item.
"""

import polars as pl

from assets.sources.guess import names
from assets.sources.guess.look import Look
from assets.sources.guess.reasons import Reasons
from assets.sources.guess.values import share
from assets.sources.source import SourceError
from assets.validation.casts import as_id
from models.columns import ITEM_ID, USER_ID

FILLED = 0.8
"""A column of ids has a value in at least so many rows, unless nothing else will do."""

NEARLY_UNIQUE = 0.98
MOST_OF_A_KIND = 31

LEAST_FOUND = 0.3
"""Share of the log's items without which a file is not its catalogue."""

AGAINST = -0.3
"""So strong evidence against the order of the columns overrules it."""

LATE = 0.9
"""Rows from this quantile of the times on are the late ones."""

BUSIEST = 0.01
MUCH_BUSIER = 0.5
"""Where the busiest ids of one column have less than this share of what those of the other have, they are users."""

USER, ITEM, WHEN = "user", "item", "when"


def user_and_item(
    log: Look, ids: list[str], when: pl.Series | None, listing: Look | None, why: Reasons
) -> tuple[str, str]:
    """The user and the item.

    Args:
        ids: The columns that may be ids.
        when: The time of each row in milliseconds; None where there is no time.
        listing: The catalogue, where one was given.
        why: Takes the reason for each.

    Raises:
        SourceError: there are no two such columns.
    """
    if len(ids) < 2:
        there = ", ".join(log.names)
        raise SourceError(
            f"{log.path} has no two columns that could be the user and the item (it has {there}): each needs a column "
            "of ids with more than one value"
        )
    user, item = _by_names(log, ids)
    reason = "by its place and values"
    if not any(_named(name, words) for _, name, words in _roles(user, item)):
        other = _of_the_catalogue(log, user, item, ids, listing) or _by_rows(log, user, item, when)
        (user, item), reason = other or ((user, item), reason)
    for column, name, words in _roles(user, item):
        sure, different = _named(name, words), log.texts[name].drop_nulls().n_unique()
        more = f"; {different:,} different in {log.raw.height:,} rows"
        why.add(column, "by its name" if sure else reason, more, sure=sure)
    return user, item


def found_share(listing: Look, column: str, ids: pl.Series) -> float:
    """Share of `ids`, as text, that a column of the catalogue has."""
    listed = listing.raw.select(as_id(column, listing.raw.schema[column], "string")).to_series().drop_nulls().unique()
    return share(ids.is_in(listed.implode()))


def _roles(user: str, item: str) -> list[tuple[str, str, dict[str, float]]]:
    return [(USER_ID, user, names.USER), (ITEM_ID, item, names.ITEM)]


def _named(name: str, words: dict[str, float]) -> bool:
    return names.score(name, words, names.NO_ID) > 0


def _by_names(log: Look, ids: list[str]) -> tuple[str, str]:
    """The pair of the best names; where names say nothing, the first two columns."""
    users = {name: _score(log, name, names.USER) for name in ids}
    items = {name: _score(log, name, names.ITEM) for name in ids}
    early = {name: 0.01 * (len(ids) - place) for place, name in enumerate(ids)}
    pairs = [(one, other) for one in ids for other in ids if one != other]
    return max(pairs, key=lambda pair: users[pair[0]] + items[pair[1]] + 2 * early[pair[0]] + early[pair[1]])


def _score(log: Look, name: str, by_name: dict[str, float]) -> float:
    column = log.texts[name]
    said = names.score(name, by_name, names.NO_ID)
    key = 0.5 if names.words(name) & names.KEY_WORDS else 0.0
    empty = -3.0 if column.null_count() > (1 - FILLED) * len(column) else 0.0
    # Something new in each row is rather the number of the row; something with few values a property.
    distinct = column.drop_nulls().n_unique()
    unique = -2.0 if len(column) > MOST_OF_A_KIND and distinct > NEARLY_UNIQUE * len(column) else 0.0
    few = -1.0 if distinct <= 5 < len(column) / 10 else 0.0
    return said + (key if said > 0 else key / 2) + empty + unique + few


Reading = tuple[tuple[str, str], str]
"""User and item, and why."""


def _of_the_catalogue(log: Look, user: str, item: str, ids: list[str], listing: Look | None) -> Reading | None:
    """The column whose ids the catalogue has, where it has next to none of those of the item's."""
    if listing is None:
        return None
    there = {name: _most_found(log, name, listing) for name in ids}
    best = max(ids, key=lambda name: there[name])
    if there[item] >= LEAST_FOUND or there[best] < LEAST_FOUND:
        return None
    return (item if best == user else user, best), "by what the catalogue has"


def _most_found(log: Look, name: str, listing: Look) -> float:
    ids = log.raw.select(as_id(name, log.raw.schema[name], "string")).to_series().drop_nulls().unique()
    return max(found_share(listing, column, ids) for column in listing.names)


def _by_rows(log: Look, user: str, item: str, when: pl.Series | None) -> Reading | None:
    rows = log.texts.select(pl.col(user).alias(USER), pl.col(item).alias(ITEM))
    if when is None:
        together = _together(rows[USER]) - _together(rows[ITEM])
        return ((item, user), "rows of one user stand together") if together < AGAINST else None
    rows = rows.with_columns(when.alias(WHEN)).drop_nulls()
    gaps, new, busy = ({name: of(rows, name) for name in (USER, ITEM)} for of in (_gap, _newcomers, _busiest))
    told = (gaps[ITEM] - gaps[USER]) / max(gaps[ITEM] + gaps[USER], 1.0) + new[USER] - new[ITEM]
    # News are new and short-lived, too, but a few of them have most of the rows.
    if told < AGAINST and busy[USER] > MUCH_BUSIER * busy[ITEM]:
        return (item, user), "by times, which of one user are close together, and late rather of new users"
    return None


def _together(ids: pl.Series) -> float:
    """1 where all rows of each id stand together, near 0 where they are scattered."""
    return ids.n_unique() / max(1, ids.rle_id().n_unique())


def _gap(rows: pl.DataFrame, name: str) -> float:
    """Milliseconds between two rows of one id, the median over ids."""
    two = rows.sample(fraction=1.0, shuffle=True, seed=0).group_by(name).agg(pl.col(WHEN).head(2))[WHEN]
    gaps = two.filter(two.list.len() == 2).list.diff().list.get(1).abs()
    return float(gaps.median() or 0.0)  # type: ignore[arg-type]


def _newcomers(rows: pl.DataFrame, name: str) -> float:
    """Share of the late rows whose id no earlier row has."""
    late = pl.col(WHEN) >= rows[WHEN].quantile(LATE)
    early = rows.filter(~late)[name].unique()
    return 1 - share(rows.filter(late)[name].is_in(early.implode()))


def _busiest(rows: pl.DataFrame, name: str) -> float:
    """Share of the rows that the busiest hundredth of the ids has."""
    counts = rows[name].value_counts(sort=True)["count"]
    return float(counts.head(max(1, int(BUSIEST * len(counts)))).sum()) / max(1, rows.height)
