"""What several commands take: a profile, days."""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated

import typer

from orchestration import environment
from orchestration.profile import Profile, load_profile

RANGE = re.compile(r"(\d{4}-\d\d-\d\d)(?::(\d{4}-\d\d-\d\d))?", re.ASCII)

ProfileOption = Annotated[
    str,
    typer.Option("--profile", "-p", envvar=environment.PROFILE_VARIABLE, help="Name of a profile, or a YAML file."),
]


class Train(StrEnum):
    """What a run's training starts from, whatever the profile says."""

    full = "full"
    nightly = "nightly"


def applied(name_or_path: str) -> Profile:
    """The profile, once this process has its environment."""
    profile = load_profile(name_or_path)
    environment.apply(profile)
    return profile


def not_empty(option: str, given: str | None) -> str | None:
    """What was given for `option`, if it was given: a variable that a script left unset is no wish for everything.

    Raises:
        ValueError: it is empty.
    """
    if given is not None and not given.strip():
        raise ValueError(f"{option} is empty: give a value, or leave {option} out")
    return given


def range_of_days(given: str | None) -> tuple[date, date] | None:
    """First and last day of `A:B`, or of a single day; None where none was given.

    Raises:
        ValueError: these are not days.
    """
    if not_empty("--days", given) is None:
        return None
    found = RANGE.fullmatch(str(given))
    if not found:
        raise ValueError(f"--days {given}: write one day or two, such as 2026-01-01:2026-01-14")
    first, last = found.groups()
    return _day(first), _day(last or first)


def _day(written: str) -> date:
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise ValueError(f"--days: there is no day {written} in the calendar") from None
