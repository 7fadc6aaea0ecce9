"""Made-up logs, and what `genrec init` makes of them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from typer.testing import CliRunner

from assets.data_report.evidence import Evidence
from assets.data_report.survey import survey
from assets.sources.settings import open_source
from assets.validation.settings import QualitySettings
from orchestration.cli import app
from orchestration.profile import Profile, load_profile
from orchestration.profile_report import evidence_of

USERS, ITEMS, ROWS = 40, 30, 400
START = datetime(2024, 3, 2, tzinfo=UTC)

Event = tuple[str, str, datetime, str]


def world(step: timedelta = timedelta(seconds=7_919)) -> list[Event]:
    """Events in the order of their times, each at a time of its own, all of whole seconds."""
    random = np.random.default_rng(7)
    actions = random.choice(["view", "purchase"], ROWS, p=[0.8, 0.2])
    users, items = random.integers(0, USERS, ROWS), random.integers(0, ITEMS, ROWS)
    return [
        (f"{user}", f"A-{item}", START + n * step, str(action))
        for n, (user, item, action) in enumerate(zip(users, items, actions, strict=True))
    ]


def init(folder: Path, log: str, *more: str) -> tuple[Profile, str]:
    """The profile that is written, and its text."""
    profile, text, _ = tried(folder, log, *more)
    return profile, text


def said(folder: Path, log: str, *more: str) -> list[str]:
    """What `init` says at the end is to be looked at."""
    return tried(folder, log, *more, out="said.yaml")[2]


def tried(folder: Path, log: str, *more: str, out: str = "made.yaml") -> tuple[Profile, str, list[str]]:
    """The profile that is written, its text, and what `init` says at the end is to be looked at."""
    files = [str(folder / one) for one in (log, *more)]
    done = CliRunner().invoke(app, ["init", *files, "--profile", str(folder / out)])
    assert done.exit_code == 0, done.output
    doubts = [line for line in done.output.splitlines() if line.startswith("look at ")]
    return load_profile(str(folder / out)), (folder / out).read_text(), doubts


def refused(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["init", *arguments])
    assert done.exit_code == 1
    assert done.stderr.count("\n") == 1
    return done.stderr


def events(profile: Profile, folder: Path) -> pl.DataFrame:
    """The good events that the profile reads."""
    assert profile.first_day != "auto"
    assert profile.last_day
    source = open_source(profile.source, "", profile.first_day)
    days = [profile.first_day + timedelta(days=n) for n in range((profile.last_day - profile.first_day).days)]
    found = survey(source, QualitySettings.model_validate(profile.quality), profile.id_type, days, folder)
    assert found.put_aside.reasons.is_empty()
    return found.events


def profile_report(profile: Profile) -> Evidence:
    with evidence_of(profile) as evidence:
        return evidence


def told(frame: pl.DataFrame) -> list[Event]:
    rows = frame.sort("timestamp").select(pl.col("user_id", "item_id").cast(pl.String), "timestamp", "action").rows()
    return [(user, item, moment, action) for user, item, moment, action in rows]


def lines(header: Sequence[str], rows: Sequence[Sequence[Any]], delimiter: str = ",") -> str:
    return "\n".join(delimiter.join(map(str, row)) for row in [header, *rows]) + "\n"


TEXTS: dict[str, Callable[[datetime], str]] = {
    "seconds": lambda moment: str(int(moment.timestamp())),
    "fractions of seconds": lambda moment: f"{moment.timestamp():.3f}",
    "milliseconds": lambda moment: str(int(moment.timestamp() * 1000)),
    "ISO": lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
    "UTC behind it": lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S UTC"),
    "German": lambda moment: moment.strftime("%d.%m.%Y %H:%M:%S"),
    "American": lambda moment: moment.strftime("%m/%d/%Y %I:%M:%S %p"),
    "mail": format_datetime,
    "web server": lambda moment: moment.strftime("%d/%b/%Y:%H:%M:%S %z"),
}
