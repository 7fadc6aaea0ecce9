"""The line from files to a version or a release, by the command that people use, in a home of its own."""

import os
import subprocess
import sys
from pathlib import Path

from orchestration.environment import HOME_VARIABLE


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
