"""The line from files to a version or a release, by the command that people use, in a home of its own."""

import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from orchestration.environment import HOME_VARIABLE

FIRST_DAY, DAYS = date(2026, 1, 1), 14
"""Of the demo's world, where a profile leaves them to the day on which it is run."""


def dated(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a profile, with fixed days in place of those that follow from today."""
    if settings.get("first_day") != "auto":
        return settings
    return settings | {"first_day": FIRST_DAY, "last_day": FIRST_DAY + timedelta(DAYS)}


def materialize(profile: Path, home: Path, select: str) -> None:
    """Runs `genrec materialize` on what `select` names.

    Raises:
        RuntimeError: it failed; the message holds the end of what it said.
    """
    command = [sys.executable, "-m", "orchestration.cli", "materialize", "--profile", str(profile), "--select", select]
    environment = {**os.environ, HOME_VARIABLE: str(home)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{profile}: `materialize` failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
