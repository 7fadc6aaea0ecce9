"""What several commands take: a profile, days."""

from datetime import date
from typing import Annotated

import typer

from orchestration import environment
from orchestration.profile import Profile, load_profile

ProfileOption = Annotated[
    str,
    typer.Option("--profile", "-p", envvar=environment.PROFILE_VARIABLE, help="Name of a profile, or a YAML file."),
]


def applied(name_or_path: str) -> Profile:
    """The profile, once this process has its environment."""
    profile = load_profile(name_or_path)
    environment.apply(profile)
    return profile


def range_of_days(given: str) -> tuple[date, date]:
    """First and last day of `A:B`, or of a single day.

    Raises:
        ValueError: these are no days.
    """
    first, _, last = given.partition(":")
    try:
        return date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        raise ValueError(f"--days {given}: write one day or two, such as 2026-01-01:2026-01-14") from None
