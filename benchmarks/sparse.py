"""`genrec bench sparse`: what days cost beside their rows, from raw logs to events, in one run of many days.

The log is made up and sparse: a few rows a day. `genrec materialize` takes it by partitions of a day, and by those of a
profile that says nothing of them; the same rows on a single day say what is no overhead. `before` is another checkout
of this project, to show what a change is worth.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import polars as pl
import yaml

from benchmarks.figures import Figures, Report
from orchestration.environment import HOME_VARIABLE

FIRST_DAY = date(2000, 1, 1)
ROWS_A_DAY = 24
USERS, ITEMS = 3_000, 2_000
DAY_MS = 86_400_000
SMOKE = (20,)

WAYS = {"days": "partition", "default": "day_by_default"}
"""Profiles: partitions of a day each, and what the platform chooses by itself."""

PREFIXES = {"after": "", "before": "before_"}


def run(partitions: Sequence[int], before: Path | None, smoke: bool, report: Report) -> Figures:
    """Milliseconds of overhead a day, for each number of days.

    Args:
        partitions: How many days, ascending.
        before: Another checkout of this project, set up by its README, to measure too; None: none.
    """
    sides = {"after": (Path(__file__).parents[1], sys.executable)}
    if before:
        sides["before"] = (before.resolve(), str(before.resolve() / ".venv" / "bin" / "python"))
    figures: Figures = {}
    with TemporaryDirectory() as folder:
        for days in SMOKE if smoke else partitions:
            profiles = write_world(Path(folder), days)
            for side, (checkout, python) in sides.items():
                for way, name in WAYS.items() if side == "after" and not smoke else list(WAYS.items())[:1]:
                    # Another checkout may know of no partitions but days.
                    profile = profiles["default" if side == "before" else way]
                    took = [_materialized(path, checkout, python) for path in (profile, profiles["one"])]
                    overhead, cpu = (1000 * (took[0] - took[1]) / days).tolist()
                    # The number without a suffix is that of the most days.
                    for suffix in ("", f"_{days}"):
                        figures[f"{PREFIXES[side]}overhead_ms_per_{name}{suffix}"] = overhead
                        figures[f"{PREFIXES[side]}cpu_ms_per_{name}{suffix}"] = cpu
                    report(
                        f"{side}, {way}: {days:,} days of {ROWS_A_DAY} rows in {took[0][0]:.0f} s, all on one day "
                        f"in {took[1][0]:.0f} s: {overhead:.1f} ms a day, {cpu:.1f} ms of them on a processor"
                    )
    return figures


def write_world(folder: Path, days: int) -> Mapping[str, Path]:
    """Profiles of the same rows: `days` and `default`, on so many days (`WAYS`), and `one`, on one."""
    rng, rows = np.random.default_rng(days), days * ROWS_A_DAY
    times = np.sort(rng.integers(0, days * DAY_MS, rows))
    items = folder / "items.csv"
    pl.DataFrame({"item_id": range(ITEMS), "title": [f"thing {n}" for n in range(ITEMS)]}).write_csv(items)
    log = pl.DataFrame({"user_id": rng.integers(0, USERS, rows), "item_id": rng.integers(0, ITEMS, rows)})
    start = (FIRST_DAY - date(1970, 1, 1)).days * DAY_MS
    return {
        name: _profile(folder / f"{name}-{days}", log.with_columns(timestamp=start + moments), items, span)
        for name, moments, span in (("days", times, days), ("default", times, days), ("one", times // days, 1))
    }


def _profile(name: Path, log: pl.DataFrame, items: Path, days: int) -> Path:
    events, profile = name.with_suffix(".csv"), name.with_suffix(".yaml")
    log.write_csv(events)
    settings = {
        "first_day": FIRST_DAY,
        "last_day": FIRST_DAY + timedelta(days=days),
        "ray": {"mode": "inline"},
        **({"partitions": "day"} if name.name.startswith("days") else {}),
        "source": {
            "kind": "files",
            "events": {"path": str(events), "constants": {"action": "purchase"}},
            "items": {"path": str(items), "once": True},
        },
        "training": {"positive_actions": ["purchase"]},
    }
    profile.write_text(yaml.safe_dump(settings))
    return profile


def _materialized(profile: Path, checkout: Path, python: str) -> np.ndarray:
    """(2,) seconds of the command, from a new home on, and those that its process computed.

    Raises:
        RuntimeError: it failed.
    """
    command = [python, "-m", "orchestration.cli", "materialize", "--profile", str(profile), "--select", "*events"]
    with TemporaryDirectory() as home:
        before = np.array([perf_counter(), _computed()])
        environment = {**os.environ, HOME_VARIABLE: home}
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        took: np.ndarray = np.array([perf_counter(), _computed()]) - before
    if done.returncode:
        raise RuntimeError(f"{checkout}: `materialize` failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return took


def _computed() -> float:
    """Processor seconds of the child processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
