"""Which columns of a log are the user, the item, the time, the action and the value, by names and by contents."""

from collections.abc import Callable
from dataclasses import dataclass, field

import polars as pl

from assets.sources.guess import names
from assets.sources.guess.look import Look
from assets.sources.guess.shares import share
from assets.sources.guess.times import TimeGuess, guess_time
from assets.sources.source import SourceError
from assets.validation.times import NUMERIC

MOST_ACTIONS = 31
FILLED = 0.8
"""A column of ids has a value in at least so many rows, unless nothing else will do."""

SHORT_NUMBERS = ("%Y%m", "%Y%m%d", "us", "ns")

WHOLE = r"^-?[0-9]+(\.0+)?$"
NUMBER = r"^\s*-?[0-9]+([.,][0-9]+)?\s*$"
NEARLY_ALL = 0.95
NEARLY_UNIQUE = 0.98


@dataclass(frozen=True)
class Roles:
    """Columns of a log.

    Attributes:
        user: Who.
        item: What.
        time: When; None where no column says.
        times: How its times are written.
        place: The place in the user's order, where no column says when.
        action: Which of several things was done; None where the log holds one kind.
        actions: Those there are, the most frequent first.
        value: A number that belongs to it, such as a rating.
        why: The reason for each column, by role.
    """

    user: str
    item: str
    time: str | None
    times: TimeGuess | None
    place: str | None
    action: str | None
    actions: tuple[str, ...]
    value: str | None
    why: dict[str, str] = field(default_factory=dict)


def guess_roles(log: Look) -> Roles:
    """Raises SourceError where no two columns can be users and items."""
    why: dict[str, str] = {}
    time, times = _time(log, why)
    ids = [name for name in log.names if name != time and _may_be_id(log.texts[name])]
    user, item = _user_and_item(log, ids, why)
    place = _place(log, user, {user, item}, why) if time is None else None
    taken = {user, item, time, place}
    action, actions = _action(log, [name for name in log.names if name not in taken], why)
    value = _value(log, [name for name in log.names if name not in {*taken, action}], why)
    return Roles(user, item, time, times, place, action, actions, value, why)


def _time(log: Look, why: dict[str, str]) -> tuple[str | None, TimeGuess | None]:
    guesses = {name: guess for name in log.raw.columns if (guess := guess_time(_raw(log, name)))}

    def fit(name: str) -> float:
        guess = guesses[name]
        filled = 1 - log.raw[name].null_count() / log.raw.height
        said, number = names.score(name, names.TIME, names.NO_TIME), guess.value in NUMERIC
        return said + 2 * filled + guess.share + (not guess.to_the_day) + 0.5 * number

    likely = {name: fit(name) for name in guesses if _sure_of_time(name, guesses[name])}
    if not likely:
        return None, None
    best = max(likely, key=lambda name: likely[name])
    others = [name for name in likely if name != best]
    sure = "by its name and its values" if names.score(best, names.TIME) else "by its values alone: not sure"
    why["timestamp"] = sure + (f"; {', '.join(map(repr, others))} would do, too" if others else "")
    return best, guesses[best]


def _sure_of_time(name: str, guess: TimeGuess) -> bool:
    """A number may be a time by chance, one of few digits more likely than others: its name has to say so."""
    said, key = names.score(name, names.TIME, names.NO_TIME), names.words(name) & names.KEY_WORDS
    if guess.value in SHORT_NUMBERS:
        return said > 0
    return said > 0 or (not key and not names.words(name) & names.NO_TIME.keys())


def _raw(log: Look, name: str) -> pl.Series:
    """Numbers and date-times as they are; texts without the words for nothing."""
    return log.raw[name] if log.raw.schema[name].is_numeric() or log.raw.schema[name].is_temporal() else log.texts[name]


def _may_be_id(column: pl.Series) -> bool:
    """Whole numbers or texts, more than one."""
    values = column.drop_nulls()
    if values.n_unique() < 2:
        return False
    numbers = values.str.contains(NUMBER)
    return bool((~numbers | values.str.contains(WHOLE)).all())


def _user_and_item(log: Look, ids: list[str], why: dict[str, str]) -> tuple[str, str]:
    if len(ids) < 2:
        there = ", ".join(log.names)
        raise SourceError(
            f"{log.path} has no two columns that could be the user and the item (it has {there}): each needs a column "
            "of ids with more than one value"
        )
    users = {name: _id_score(log, name, names.USER) for name in ids}
    items = {name: _id_score(log, name, names.ITEM) for name in ids}
    # Where names say nothing, logs mostly have the user before the item.
    early = {name: 0.01 * (len(ids) - place) for place, name in enumerate(ids)}
    pairs = [(one, other) for one in ids for other in ids if one != other]
    user, item = max(pairs, key=lambda pair: users[pair[0]] + items[pair[1]] + 2 * early[pair[0]] + early[pair[1]])
    for role, name, by_name in (("user_id", user, names.USER), ("item_id", item, names.ITEM)):
        filled = log.texts[name].drop_nulls()
        said = "by its name" if names.score(name, by_name, names.NO_ID) > 0 else "by its place and values: not sure"
        why[role] = f"{said}; {filled.n_unique():,} different in {log.raw.height:,} rows"
    return user, item


def _id_score(log: Look, name: str, by_name: dict[str, float]) -> float:
    column = log.texts[name]
    said = names.score(name, by_name, names.NO_ID)
    key = 0.5 if names.words(name) & names.KEY_WORDS else 0.0
    empty = -3.0 if column.null_count() > (1 - FILLED) * len(column) else 0.0
    # Something new in each row is rather the number of the row; something with few values a property.
    distinct = column.drop_nulls().n_unique()
    unique = -2.0 if len(column) > MOST_ACTIONS and distinct > NEARLY_UNIQUE * len(column) else 0.0
    few = -1.0 if distinct <= 5 < len(column) / 10 else 0.0
    return said + (key if said > 0 else key / 2) + empty + unique + few


def _place(log: Look, user: str, taken: set[str], why: dict[str, str]) -> str | None:
    """A column of whole numbers that are distinct within a user, and are called a place."""
    scores = {name: names.score(name, names.ORDER, {"id": 3.0}) for name in log.names if name not in taken}
    for name in sorted((name for name in scores if scores[name] > 0), key=lambda name: -scores[name]):
        places = log.texts.select(
            user, pl.col(name).str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
        ).drop_nulls()
        distinct = places.unique().height
        if places.height and distinct > NEARLY_ALL * places.height:
            why["timestamp"] = "no column says when; this one counts up within a user"
            return name
    why["timestamp"] = "no column says when: the order of the rows of each user counts. Not sure: are they in order?"
    return None


def _action(log: Look, free: list[str], why: dict[str, str]) -> tuple[str | None, tuple[str, ...]]:
    def suits(name: str) -> bool:
        values = log.texts[name]
        return values.drop_nulls().n_unique() in range(1, MOST_ACTIONS + 1) and values.null_count() <= 0.05 * len(
            values
        )

    def fit(name: str) -> float:
        if not suits(name):
            return 0.0
        known = set(log.texts[name].drop_nulls().str.to_lowercase().unique()) <= names.ACTIONS
        return max(names.score(name, names.ACTION, {"id": 1.0}), 4.0 if known else 0.0)

    best = _best(free, fit)
    if best is None:
        return None, ()
    counts = log.texts[best].drop_nulls().value_counts(sort=True)
    found = tuple(counts[best].to_list())
    why["action"] = f"by its name or its values; {len(found)} different"
    return best, found


def _value(log: Look, free: list[str], why: dict[str, str]) -> str | None:
    def suits(name: str) -> bool:
        values = log.texts[name].drop_nulls()
        return bool(len(values)) and share(values.str.contains(NUMBER)) >= NEARLY_ALL

    best = _best(free, lambda name: names.score(name, names.VALUE, names.NO_VALUE) if suits(name) else 0.0)
    if best is not None:
        why["value"] = "by its name; a number"
    return best


def _best(candidates: list[str], fit: Callable[[str], float]) -> str | None:
    scores = {name: fit(name) for name in candidates}
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] > 0 else None
