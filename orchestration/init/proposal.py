"""The whole profile that is proposed, line by line, each guess with its reason."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from assets.sources.guess.times import TimeGuess
from assets.sources.guess.values import NO, YES
from orchestration.init.allowances import NOTHING, Allowances
from orchestration.init.guess import MOST_STRANGE, Facts, Guess
from orchestration.init.profile_text import Line, literal
from orchestration.init.sections import events_section, items_section
from orchestration.profile import suited_partitions

NEGATIVE = ("impression", "exposure", "expose", "show", "shown", "skip", "dislike", "hate", "report", "hide", "false")
TAKEN_BACK = ("un", "remove", "delete", "cancel", "return")
"""Beginnings of actions that take something back."""

FRESH_DAYS = 2
"""A log that ends no longer ago is taken for one that grows."""


def positive(actions: tuple[str, ...]) -> tuple[str, ...]:
    """Those that tell of interest; all where none seems to, and of a flag its yes."""
    if {one.lower() for one in actions} <= {*YES, *NO} and len(actions) > 1:
        return tuple(one for one in actions if one.lower() in YES)
    liked = tuple(one for one in actions if one.lower() not in NEGATIVE and not one.lower().startswith(TAKEN_BACK))
    return liked or actions


def profile_lines(
    guess: Guess, name: str, ports: Mapping[str, Mapping[str, int]], allowed: Allowances = NOTHING
) -> Iterator[Line]:
    """The profile `name`.

    Args:
        ports: Section to the ports that it has to name.
        allowed: What its log and catalogue lack more of than is usual.
    """
    facts = guess.facts
    rows = f"{facts.rows:,} rows, {facts.users:,} users, {facts.items:,} items"
    yield Line(0, "", comment=f"Proposed by `genrec init`: {rows}. What it is not sure of says so.")
    yield Line(0, "", comment=_histories(guess.facts))
    yield from _days(guess)
    why = "all ids are whole numbers" if guess.id_type == "int64" else "some id is no whole number, or begins with a 0"
    yield Line(0, "id_type", guess.id_type, why)
    yield Line(0, "source")
    yield Line(1, "kind", "files")
    yield Line(1, "events")
    yield from _events(guess)
    yield from _items(guess)
    yield from _quality(guess, allowed)
    yield Line(0, "training")
    chosen = positive(guess.actions)
    left = [one for one in guess.actions if one not in chosen]
    yield Line(1, "positive_actions", list(chosen), f"what tells of interest; not {', '.join(left)}" if left else "")
    if guess.ordinal:
        yield Line(0, "evaluation")
        yield Line(1, "primary_protocol", "leave_one_out", "an order tells nothing of the same day of two users")
    yield Line(0, "endpoint")
    yield Line(1, "route_prefix", f"/{name}", "below which it answers, beside other profiles")
    for key, port in ports.get("endpoint", {}).items():
        yield Line(1, key, port, "the default was taken")
    if ports.get("ray"):
        yield Line(0, "ray")
        for key, port in ports["ray"].items():
            yield Line(1, key, port, "the default was taken, or another one is in use here")


def _histories(found: Facts) -> str:
    half = f"{found.median} events or fewer" if found.median > 1 else "a single event"
    return (
        f"Half of the users have {half}; {found.repeated_share:.0%} of the events are of an item "
        f"that the user had before, {found.tied_share:.0%} at the same moment as another one of the user."
    )


def _days(guess: Guess) -> Iterator[Line]:
    days = guess.days
    span = (days.last - days.first).days + 1
    outside = f"; {days.outside:,} stray rows far from the others are left out" if days.outside else ""
    if guess.ordinal:
        yield Line(0, "first_day", days.first, "stands for place 0 of every user")
        yield Line(0, "last_day", days.last + timedelta(days=1), "excluded; the longest history ends the day before")
        yield from _partitions(span, guess.facts.rows, "places")
        return
    yield Line(0, "first_day", days.first, f"of the first event{outside}")
    if days.last < datetime.now(UTC).date() - timedelta(days=FRESH_DAYS):
        yield Line(0, "last_day", days.last + timedelta(days=1), "excluded: the day after the last event")
        yield from _partitions(span, guess.facts.rows)
    else:
        yield Line(0, "", comment="last_day is left out: the log seems to go on, and days are added up to yesterday")


def _partitions(days: int, rows: int, of: str = "days") -> Iterator[Line]:
    if (kind := suited_partitions(days)) != "day":
        why = f"{days:,} {of} of {rows / days:,.0f} rows are many to record one by one; tables hold days"
        yield Line(0, "partitions", kind, why)


def _events(guess: Guess) -> Iterator[Line]:
    roles, why = guess.roles, guess.roles.why.told | guess.log.why
    times = roles.times
    told = {
        "path": "",
        "timestamp_unit": "all of them at midnight: times are days" if times and times.to_the_day else "",
        "timestamp_format": _form(times),
        "decimal": "numbers have a decimal comma",
        "ordinal": "an order and no times" if roles.place else why.get("timestamp", ""),
        "step": "histories are long, so that a place is an hour",
    }
    section = events_section(guess.log, roles)
    no_action = {"action": why.get("action", "no column says what was done: all rows are of one kind")}
    yield from _section(section, why | told, no_action | _left_out(roles.left_out))


def _left_out(columns: Mapping[str, str]) -> dict[str, str]:
    return {name: f"the file's own is left out: {why}" for name, why in columns.items()}


def _form(times: TimeGuess | None) -> str:
    if times is None:
        return ""
    told = "times are days" if times.to_the_day else ""
    return f"not sure: {times.otherwise} would fit, too" if times.otherwise else told


def _items(guess: Guess) -> Iterator[Line]:
    if guess.listing is None or guess.catalogue is None:
        yield Line(1, "", comment="no catalogue was given, so the items are those that the events name")
        return
    yield Line(1, "items")
    told = {
        "timestamp_format": _form(guess.catalogue.times),
        "decimal": "numbers have a decimal comma",
        "category_delimiter": "stands between categories",
    }
    why = guess.listing.why | guess.catalogue.why.told | told
    yield from _section(items_section(guess.listing, guess.catalogue), why, _left_out(guess.catalogue.left_out))
    if guess.catalogue.otherwise:
        others, mark = ", ".join(guess.catalogue.otherwise), {",": "point", ".": "comma"}[guess.catalogue.decimal]
        yield Line(2, "", comment=f"numbers with a decimal {mark}, unlike the others, are left out: {others}")
    if guess.catalogue.held_back:
        late = ", ".join(guess.catalogue.held_back)
        yield Line(2, "", comment=f"held back, as their names tell of what is counted once an item is there: {late}")
    if guess.catalogue.images:
        column, against = guess.catalogue.images
        yield Line(2, "", comment=f"images are left out: of {column!r}, {against}")


def _section(section: Mapping[str, Any], why: Mapping[str, str], of_constants: Mapping[str, str]) -> Iterator[Line]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield Line(2, key)
            reasons = of_constants if key == "constants" else why
            yield from (Line(3, name, literal(one), reasons.get(name, "")) for name, one in value.items())
        else:
            yield Line(2, key, literal(value) if isinstance(value, str) else value, why.get(key, ""))


def _quality(guess: Guess, allowed: Allowances) -> Iterator[Line]:
    yield Line(0, "quality")
    yield Line(1, "actions", list(guess.actions), "all there are; rows with others are put aside")
    for key, share, why in allowed.told():
        yield Line(1, key, share, why)
    if guess.unlisted_share > MOST_STRANGE:
        yield Line(
            1, "reject_unknown_items", False, f"{guess.unlisted_share:.0%} of the events are of items that it lacks"
        )
