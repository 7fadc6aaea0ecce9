"""The line from files to a version or a release, by the command that people use, in a home of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from assets.code_version import code_version
from orchestration.environment import HOME_VARIABLE

FIRST_DAY, DAYS = date(2026, 1, 1), 14
"""Of the demo's world, where a profile leaves them to the day on which it is run."""


def dated(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings of a profile, with fixed days in place of those that follow from today."""
    if settings.get("first_day") != "auto":
        return settings
    return settings | {"first_day": FIRST_DAY, "last_day": FIRST_DAY + timedelta(DAYS)}


def seeded(settings: Mapping[str, Any], seed: int, home: Path, loss: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The settings of a profile that trains with `seed`, in one process and without an ablation, into `home`/lake.

    Args:
        loss: Settings of the loss in place of its own.
    """
    training = settings["training"]
    optimisation = {**training.get("optimisation", {}), "seed": seed}
    if loss:
        optimisation["loss"] = {**optimisation.get("loss", {}), **loss}
    training = {**training, "optimisation": optimisation, "train_ablation": False}
    return {**settings, "training": training, "lake": {"root": str(home / "lake")}, "ray": {"mode": "inline"}}


def kept_of_this_code(file: Path, make: Callable[[], Any]) -> Any:
    """What `make` gives, as JSON holds it; read from `file` where the same code has left it there."""
    if file.exists():
        told = json.loads(file.read_text())
        if told["code"] == code_version():
            return told["run"]
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"code": code_version(), "run": make()})
    file.write_text(text)
    return json.loads(text)["run"]


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
