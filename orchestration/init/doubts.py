"""What the user of a proposed profile has to look at: guesses on little evidence, and what no guess decides."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from assets.data_report.seen import Finding, listed, such_as
from assets.sources.guess.look import Look
from models.columns import ACTION, ITEM_ID, TIMESTAMP, USER_ID, VALUE
from orchestration.init.guess import Guess

EVENTS, ITEMS = "source.events", "source.items"

SORTED = 0.98
"""Where so many events follow one of a smaller item, the rows are sorted by item and in no order of time."""

WORTH_A_WORD = 0.001

IN_PARTS = ({"day", "month", "year"}, {"date", "time"})
"""Words of columns that hold a time together."""


def doubts(guess: Guess) -> Iterator[Finding]:
    """All there are."""
    for rule in RULES:
        yield from rule(guess)


def _columns(guess: Guess) -> Iterator[Finding]:
    """What no name says of the columns, of each file in one sentence."""
    roles, facts = guess.roles, guess.facts
    told = {
        USER_ID: (roles.user, f"the user ({facts.users:,} of them)"),
        ITEM_ID: (roles.item, f"the item ({facts.items:,})"),
        TIMESTAMP: (roles.time, "the time"),
        VALUE: (roles.value, "a rating or the like"),
    }
    taken = {name: (column, what) for name, (column, what) in told.items() if column and name in roles.why.unsure}
    yield from _unsure(f"{EVENTS}.columns", guess.log, taken)
    if guess.listing and guess.catalogue:
        columns, unsure = guess.catalogue.columns, guess.catalogue.why.unsure
        names = {name: (column, f"the {name}") for name, column in columns.items() if name in unsure}
        yield from _unsure(f"{ITEMS}.columns", guess.listing, names)


def _unsure(key: str, look: Look, taken: Mapping[str, tuple[str, str]]) -> Iterator[Finding]:
    if not taken:
        return
    told = ", ".join(f"{column!r}{_example(look, column)} for {what}" for column, what in taken.values())
    yield Finding(key, f"no name says which is which, so that values were taken: {told}", "correct what is wrong")


def _month_and_day(guess: Guess) -> Iterator[Finding]:
    times = guess.roles.times
    if times and times.otherwise:
        told = f"times are read as {times.value}, and {times.otherwise} would fit, too"
        yield Finding(f"{EVENTS}.timestamp_format", told, "write the one that is meant")


def _order(guess: Guess) -> Iterator[Finding]:
    roles = guess.roles
    if not guess.ordinal or roles.place:
        return
    if parts := _in_parts(guess.log):
        told = f"the time seems to stand in several columns ({listed(parts)}), and the order of the rows counts instead"
        yield Finding(
            f"{EVENTS}.columns.{TIMESTAMP}", told, "write it into one column, such as 2026-01-31, and map that"
        )
    elif guess.facts.sorted_share > SORTED:
        told = "there is no time, and the rows of each user are sorted by item, which tells nothing of what came next"
        advice = "map a column of times or places, if there is one; else what is held out is no future"
        yield Finding(f"{EVENTS}.ordinal", told, advice)
    else:
        told = "there is no time, so that the order of the rows of each user counts"
        yield Finding(f"{EVENTS}.ordinal", told, "if they are in no order, what is evaluated is no future")


def _what_counts(guess: Guess) -> Iterator[Finding]:
    """Rows that count as positive, and may tell of no interest."""
    roles, facts, key = guess.roles, guess.facts, "training.positive_actions"
    advice = "give them an action of their own in the file, and leave it out here: no setting draws a line on values"
    if roles.action is None and roles.flags:
        told = f"all rows count, whatever {listed(roles.flags)} say of them"
        yield Finding(key, told, f"map one of them with `{EVENTS}.columns.action`, and name its yes here")
    elif roles.flags:
        told = f"{roles.action!r} alone says which rows count, and nothing is made of {listed(roles.flags)}"
        yield Finding(f"{EVENTS}.columns.{ACTION}", told, "map another one, if that is what you want more of")
    if facts.below_zero > WORTH_A_WORD * facts.rows:
        told = f"{facts.below_zero:,} events count though {roles.value!r} is below 0, as of things that came back"
        yield Finding(key, told, advice)
    elif facts.low > WORTH_A_WORD * facts.rows and roles.action is None:
        told = f"{facts.low:,} events count though {roles.value!r} is in the lower half of its scale"
        yield Finding(key, told, f"if they tell of no interest, {advice}")


def _texts(guess: Guess) -> Iterator[Finding]:
    if guess.listing and guess.catalogue and not guess.catalogue.has_texts:
        told = f"no column of the catalogue was taken for a text (it has {', '.join(guess.listing.names)})"
        yield Finding(f"{ITEMS}.columns", told, "map `title`, `description` or `categories`, if one of them is such")


def _example(look: Look, name: str) -> str:
    return such_as(look.texts[name].drop_nulls().head(1))


def _in_parts(log: Look) -> list[str]:
    """Columns that are called after the parts of a time, where all parts are there."""
    for parts in IN_PARTS:
        called = {name.lower(): name for name in log.names}
        if parts <= called.keys():
            return [called[part] for part in sorted(parts)]
    return []


RULES: Sequence[Callable[[Guess], Iterator[Finding]]] = (_columns, _month_and_day, _order, _what_counts, _texts)
