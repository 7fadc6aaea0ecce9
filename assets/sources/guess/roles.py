"""Which columns of a log are the user, the item, the time, the action and the value, by names and by contents."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from assets.sources.guess import names
from assets.sources.guess.look import Look
from assets.sources.guess.measures import DECIMALS, Decimal, as_plain_numbers
from assets.sources.guess.reasons import Reasons
from assets.sources.guess.times import TimeGuess, guess_time, moments
from assets.sources.guess.values import NEARLY_ALL, NUMBER, WHOLE, YES, are_marks, is_flag, share
from assets.sources.guess.who_and_what import user_and_item
from assets.validation.times import NUMERIC
from models.columns import ACTION, TIMESTAMP, VALUE

MOST_ACTIONS = 31

TIMESTAMP_COLUMNS = "timestamp_columns"
SHORT_NUMBERS = ("%Y%m", "%Y%m%d", "us", "ns")


@dataclass(frozen=True)
class Roles:
    """Columns of a log.

    Attributes:
        user: Who.
        item: What.
        time: When; None where no column says, or several do:
        time_parts: those that hold the time together.
        times: How the times are written; None where nothing says when.
        place: The place in the user's order, where no column says when.
        action: Which of several things was done; None where the log holds one kind.
        actions: Those there are, the most frequent first; the only one, where a column of one value is called so.
        value: A number that belongs to it, such as a rating.
        decimal: What stands before the decimals of the value, and of times that are numbers.
        flags: Other columns that say yes or no of what was done.
        why: The reason for each column.
        left_out: Columns that have a name of the contract and cannot be what it says, and why.
    """

    user: str
    item: str
    time: str | None
    time_parts: tuple[str, ...]
    times: TimeGuess | None
    place: str | None
    action: str | None
    actions: tuple[str, ...]
    value: str | None
    flags: tuple[str, ...]
    why: Reasons
    decimal: Decimal = "."
    left_out: Mapping[str, str] = field(default_factory=dict)

    def without(self, left_out: Mapping[str, str]) -> "Roles":
        """The same, but for columns of the file that are left out as well, and why."""
        value = None if self.value in left_out else self.value
        return replace(self, value=value, left_out={**self.left_out, **left_out})


def guess_roles(log: Look, listing: Look | None = None) -> Roles:
    """Args:
        listing: The catalogue, where one was given.

    Raises:
        SourceError: no two columns can be users and items.
    """
    why = Reasons()
    time, times = _time(log, why)
    parts, written = _in_parts(log, time, times, why)
    time, times = (None, written) if written else (time, times)
    when = moments(joined(log, parts) if parts else log.values(time or ""), times) if times else None
    ids = [name for name in log.names if name not in (time, *parts) and _may_be_id(log.texts[name])]
    user, item = user_and_item(log, ids, when, listing, why)
    place = _place(log, user, {user, item}, why) if times is None else None
    taken = {user, item, time, *parts, place}
    action, actions, flags = _action(log, [name for name in log.names if name not in taken], why)
    decimals = _decimals(log, time, times)
    value = _value(log, [name for name in log.names if name not in {*taken, action, *flags}], decimals, why)
    decimal = _better(log, value, decimals) if value else decimals[0]
    return Roles(user, item, time, parts, times, place, action, actions, value, flags, why, decimal)


def _time(log: Look, why: Reasons) -> tuple[str | None, TimeGuess | None]:
    guesses = {name: guess for name in log.names if (guess := guess_time(log.values(name)))}

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
    sure = names.score(best, names.TIME) > 0
    more = f"; {', '.join(map(repr, others))} would do, too" if others else ""
    why.add(TIMESTAMP, "by its name and its values" if sure else "by its values alone", more, sure=sure)
    return best, guesses[best]


def _in_parts(
    log: Look, time: str | None, times: TimeGuess | None, why: Reasons
) -> tuple[tuple[str, ...], TimeGuess | None]:
    """Columns that hold a time together, and how: where no column does alone, or one names the day only."""
    if times is not None and not times.to_the_day:
        return (), None
    called = {name.lower(): name for name in log.names}
    for parts in names.TIME_PARTS:
        columns = tuple(called[part] for part in parts if part in called)
        if len(columns) < len(parts) or (times is not None and time not in columns):
            continue
        found = guess_time(joined(log, columns))
        if found and not (times is not None and found.to_the_day):
            why.add(TIMESTAMP_COLUMNS, "by their names: together they are times")
            # Polars skips the blanks in either form; the one with blanks says what stands there.
            return columns, replace(found, value="%Y %m %d") if found.value == "%Y%m%d" else found
    return (), None


def joined(log: Look, columns: tuple[str, ...]) -> pl.Series:
    """Their texts with blanks between them, null where one has none."""
    return log.texts.select(pl.concat_str(columns, separator=" ").alias("x"))["x"]


def _sure_of_time(name: str, guess: TimeGuess) -> bool:
    """A number may be a time by chance, one of few digits more likely than others: its name has to say so."""
    said, key = names.score(name, names.TIME, names.NO_TIME), names.words(name) & names.KEY_WORDS
    if guess.value in SHORT_NUMBERS:
        return said > 0
    return said > 0 or (not key and not names.words(name) & names.NO_TIME.keys())


def _may_be_id(column: pl.Series) -> bool:
    """Whole numbers or texts, more than one."""
    values = column.drop_nulls()
    if values.n_unique() < 2:
        return False
    numbers = values.str.contains(NUMBER)
    return bool((~numbers | values.str.contains(WHOLE)).all())


def _place(log: Look, user: str, taken: set[str], why: Reasons) -> str | None:
    """A column of whole numbers that are distinct within a user, and are called a place."""
    scores = {name: names.score(name, names.ORDER, {"id": 3.0}) for name in log.names if name not in taken}
    for name in sorted((name for name in scores if scores[name] > 0), key=lambda name: -scores[name]):
        places = log.texts.select(
            user, pl.col(name).str.replace(r"\.0+$", "").cast(pl.Int64, strict=False)
        ).drop_nulls()
        distinct = places.unique().height
        if places.height and distinct > NEARLY_ALL * places.height:
            why.add(TIMESTAMP, "no column says when; this one counts up within a user")
            return name
    why.add(TIMESTAMP, "no column says when: the order of the rows of each user counts", sure=False)
    return None


def _action(log: Look, free: list[str], why: Reasons) -> tuple[str | None, tuple[str, ...], tuple[str, ...]]:
    """The column that says what was done, the actions in it, and other columns that say yes or no of one action."""

    def suits(name: str) -> bool:
        values = log.texts[name]
        return values.drop_nulls().n_unique() in range(1, MOST_ACTIONS + 1) and values.null_count() <= 0.05 * len(
            values
        )

    def fit(name: str) -> float:
        if not suits(name) or name in flags:
            return 0.0
        known = set(log.texts[name].drop_nulls().str.to_lowercase().unique()) <= names.ACTIONS
        done = 2.0 if names.words(name) & names.FLAGS and log.texts[name].n_unique() == 1 else 0.0
        return max(names.score(name, names.ACTION, {"id": 1.0}), 4.0 if known else done)

    flags = [name for name in free if names.words(name) & names.FLAGS and suits(name) and is_flag(log.texts[name])]
    best = _best(free, fit)
    if best is None and (liked := [name for name in flags if not names.words(name) & names.DISLIKED]):
        best = max(liked, key=lambda name: log.texts[name].str.to_lowercase().is_in(YES).sum())
        why.add(ACTION, "it says yes or no of each row")
    elif best is not None:
        why.add(ACTION, f"by its name or its values; {log.texts[best].n_unique():,} different")
    if best is None:
        return None, (), tuple(flags)
    counts = log.texts[best].drop_nulls().value_counts(sort=True)
    if counts.height == 1 and re.fullmatch(NUMBER, counts[best][0]):
        # The number says nothing, but the name of the column does.
        why.add(ACTION, f"all rows have {counts[best][0]} in {best!r}")
        return None, (best.lower(),), tuple(flags)
    return best, tuple(counts[best].to_list()), tuple(name for name in flags if name != best)


def _decimals(log: Look, time: str | None, times: TimeGuess | None) -> Sequence[Decimal]:
    """What may stand before decimals: where times are numbers that have some, nothing but what they have."""
    if times is None or time is None or times.value not in NUMERIC:
        return DECIMALS
    if times.comma:
        return (",",)
    return (".",) if log.texts[time].str.contains(".", literal=True).any() else DECIMALS


def _value(log: Look, free: list[str], decimals: Sequence[Decimal], why: Reasons) -> str | None:
    """A number by its name; of a file without names the first column that holds marks."""

    def suits(name: str) -> bool:
        return _read(log, name, _better(log, name, decimals)) >= NEARLY_ALL

    best = _best(free, lambda name: names.score(name, names.VALUE, names.NO_VALUE) if suits(name) else 0.0)
    if best is not None:
        why.add(VALUE, "by its name; a number")
    elif log.nameless:
        best = next((name for name in free if are_marks(log.texts[name]) and suits(name)), None)
        if best is not None:
            why.add(VALUE, "by its values: some few numbers", sure=False)
    return best


def _better(log: Look, name: str, decimals: Sequence[Decimal]) -> Decimal:
    """With which of `decimals` more of the values are numbers; the first of several."""
    return max(decimals, key=lambda decimal: _read(log, name, decimal))


def _read(log: Look, name: str, decimal: Decimal) -> float:
    """The share of the values that are numbers with that mark; numbers of a type of their own always are."""
    values = log.texts[name].drop_nulls()
    return share(as_plain_numbers(values, decimal if log.raw.schema[name] == pl.String else ".").is_not_null())


def _best(candidates: list[str], fit: Callable[[str], float]) -> str | None:
    scores = {name: fit(name) for name in candidates}
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best is not None and scores[best] > 0 else None
