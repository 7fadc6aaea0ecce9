"""What the user of a proposed profile has to look at: guesses on little evidence, and what no guess decides."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from assets.data_report.seen import Finding, listed, such_as
from assets.sources.guess import names
from assets.sources.guess.look import Look
from assets.sources.guess.values import are_numbers
from models.columns import ACTION, CATEGORIES, DESCRIPTION, ITEM_ID, TIMESTAMP, TITLE, USER_ID, VALUE
from orchestration.init.guess import Guess

EVENTS, ITEMS = "source.events", "source.items"

SORTED = 0.98
"""Where so many events follow one of a smaller item, the rows are sorted by item and in no order of time."""

CALLED_TIME = 2.0
"""How much a name has to speak for a time."""

TEXTS = (TITLE, DESCRIPTION, CATEGORIES)

WORTH_A_WORD = 0.001


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
    of_items = guess.catalogue.times if guess.catalogue else None
    for section, times in ((EVENTS, guess.roles.times), (ITEMS, of_items)):
        if times and times.otherwise:
            told = f"times are read as {times.value}, and {times.otherwise} would fit, too"
            yield Finding(f"{section}.timestamp_format", told, "write the one that is meant")


def _left_out(guess: Guess) -> Iterator[Finding]:
    of_items = guess.catalogue.left_out if guess.catalogue else {}
    for section, left_out in ((EVENTS, guess.roles.left_out), (ITEMS, of_items)):
        for name, why in left_out.items():
            told = f"the column {name!r} of the file is left out: {why}"
            yield Finding(section, told, "if another column says the same, map that, or write its values otherwise")


def _order(guess: Guess) -> Iterator[Finding]:
    roles = guess.roles
    if not guess.ordinal or roles.place:
        return
    called = [name for name in guess.log.names if names.score(name, names.TIME, names.NO_TIME) >= CALLED_TIME]
    none = f"no one unit or form fits the times in {listed(called)}" if called else "there is no time"
    if guess.facts.sorted_share > SORTED:
        told = f"{none}, and the rows of each user are sorted by item, which tells nothing of what came next"
        advice = "map a column of times or places, if there is one; else what is held out is no future"
        yield Finding(f"{EVENTS}.ordinal", told, advice)
    else:
        told = f"{none}, so that the order of the rows of each user counts"
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
    """A catalogue in which nothing tells what its items are, but perhaps the numbers of categories."""
    listing, catalogue = guess.listing, guess.catalogue
    if listing is None or catalogue is None:
        return
    columns = [catalogue.columns[name] for name in TEXTS if name in catalogue.columns]
    if all(are_numbers(listing.texts[column]) for column in columns):
        told = f"no column of the catalogue was taken for a text (it has {', '.join(listing.names)})"
        advice = f"map {', '.join(f'`{name}`' for name in TEXTS)}, if one of them is such"
        yield Finding(f"{ITEMS}.columns", told, advice)


def _example(look: Look, name: str) -> str:
    return such_as(look.texts[name].drop_nulls().head(1))


RULES: Sequence[Callable[[Guess], Iterator[Finding]]] = (
    _columns,
    _month_and_day,
    _left_out,
    _order,
    _what_counts,
    _texts,
)
