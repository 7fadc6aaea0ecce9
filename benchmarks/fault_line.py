"""A small line, run in processes of its own that may be disturbed: what it then holds, and what is left behind."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
import yaml

from assets.validation.quarantine import OF_CELLS
from models.columns import REASON, SOURCE_FILE, USER_ID
from storage.lake import Lake
from storage.sequence_store import BUCKETS_FOLDER, FILE, SEQUENCES_TABLE

NAME = "line"
SELECT = "*sequences"
FIRST_DAY = date(2026, 1, 1)
POLL_SECONDS = 0.0005
TABLES = ("raw_events", "raw_items", "items", "events", "quarantine", "event_statistics", "item_rows")

Contents = Mapping[str, pl.DataFrame]

WITHOUT_LOCK = """
import sys
from contextlib import nullcontext
from orchestration import environment
from orchestration.profile import load_profile
from orchestration.error_messages import errors_as_sentences

profile = load_profile(sys.argv[1])
environment.apply(profile)
from orchestration import runs, turns

turns.taken = lambda *_: nullcontext()
with errors_as_sentences():
    runs.materialize(profile, None, sys.argv[2])
"""
"""As `genrec materialize`, but it works although it is another run's turn."""


@dataclass(frozen=True)
class Line:
    """One installation whose state can be thrown away.

    Attributes:
        folder: Holds its profile and its state.
        days: How many days it has.
        root: Folder of the tables; None for the usual one.
    """

    folder: Path
    days: int
    root: Path | None = None

    @classmethod
    def made(cls, folder: Path, source: Mapping[str, Any], days: int, root: Path | None = None) -> "Line":
        """Writes the profile."""
        folder.mkdir(parents=True)
        profile = {
            "first_day": FIRST_DAY.isoformat(),
            "last_day": (FIRST_DAY + timedelta(days=days)).isoformat(),
            "id_type": "int64",
            "source": dict(source),
            # So few that a day goes through runs on disk.
            "lake": {"rows_in_memory": 10_000, "root": str(root or "")},
            "training": {"positive_actions": ["click"]},
            "ray": {"mode": "inline"},
        }
        (folder / f"{NAME}.yaml").write_text(yaml.safe_dump(profile))
        return cls(folder, days, root)

    @property
    def state(self) -> Path:
        return self.folder / "home" / NAME

    @property
    def lake(self) -> Lake:
        return Lake(str(self.root or self.state))

    @property
    def all_days(self) -> list[date]:
        return [FIRST_DAY + timedelta(days=number) for number in range(self.days)]

    def start(self, *arguments: str, alone: bool = True) -> subprocess.Popen[str]:
        """Begins `genrec materialize`; `alone` is whether it respects the lock of another run."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
        profile = str(self.folder / f"{NAME}.yaml")
        command = ["-m", "orchestration.cli", "materialize", "--profile", profile, "--select", SELECT, *arguments]
        return subprocess.Popen(
            [sys.executable, *(command if alone else ["-c", WITHOUT_LOCK, profile, SELECT])],
            env={**clean, "GENREC_HOME": str(self.folder / "home")},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> None:
        """Materializes and must succeed.

        Raises:
            RuntimeError: it failed; the message is what it printed.
        """
        output = self.fail(*arguments)
        if output is not None:
            raise RuntimeError(f"an undisturbed run failed: {output}")

    def fail(self, *arguments: str) -> str | None:
        """What a run that failed printed; None where it succeeded."""
        process = self.start(*arguments)
        output, _ = process.communicate()
        return output if process.returncode else None

    def kill(self, reached: Callable[[], bool]) -> bool:
        """Starts a run and ends it with SIGKILL once `reached`; whether it was still alive then."""
        process = self.start()
        while not reached() and process.poll() is None:
            time.sleep(POLL_SECONDS)
        alive = process.poll() is None
        if alive:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return alive

    def running(self) -> bool:
        """Whether a run holds the profile."""
        path = self.state / "run.lock"
        if not path.exists():
            return False
        with open(path, "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def forget(self) -> None:
        """Throws the state away."""
        shutil.rmtree(self.folder / "home", ignore_errors=True)

    def contents(self) -> Contents:
        """Every table that is there, its rows in an order of their own, without times of files."""
        lake = self.lake
        tables = {name: _ordered(lake.scan(name).collect(), self.folder) for name in TABLES if lake.exists(name)}
        if lake.exists(SEQUENCES_TABLE):
            tables[SEQUENCES_TABLE] = lake.sequences().collect().sort(USER_ID)
        return tables

    def landed_rows(self) -> int:
        """Rows of the demo world's landing files."""
        files = (self.state / "landing").glob("[!.]*/[!.]*/*.parquet")
        return sum(int(pl.scan_parquet(path).select(pl.len()).collect().item()) for path in files)

    def held_rows(self) -> int:
        """Rows that were accepted or rejected; that an image was too large rejects no row."""
        held = self.contents()
        rejected = held["quarantine"].filter(~pl.col(REASON).is_in(list(OF_CELLS)))
        return held["events"].height + held["items"].height + rejected.height

    def leftovers(self) -> list[Path]:
        """Files that no table names and no run needs."""
        root = Path(self.lake.root)
        committed = {name for log in root.glob("tables/*/_delta_log/*.json") for name in _added(log)}
        tables = [path for path in root.glob("tables/*/**/*.parquet") if path.name not in committed]
        buckets = [path for path in (root / BUCKETS_FOLDER).glob("*") if path.name not in self._named_buckets()]
        staged = [path for path in root.glob("staging/*") if path.name != "door"]
        others = [*root.glob("tables/*/_delta_log/*#*"), *self.state.glob("landing/*/.*-*"), *root.rglob("*.part")]
        return [path for path in [*tables, *buckets, *staged, *others] if "checkpoint" not in path.name]

    def _named_buckets(self) -> set[str]:
        lake = self.lake
        if not lake.exists(SEQUENCES_TABLE):
            return set()
        versions = range(lake.version(SEQUENCES_TABLE) + 1)
        return {file for version in versions for file in lake.scan(SEQUENCES_TABLE, version).collect()[FILE]}


def differing(one: Contents, other: Contents) -> list[str]:
    """Names of tables that differ, or that only one of both has."""
    names = sorted(one.keys() | other.keys())
    return [name for name in names if name not in one or name not in other or not one[name].equals(other[name])]


def _ordered(table: pl.DataFrame, folder: Path) -> pl.DataFrame:
    table = table.select(pl.exclude("modified"))
    if SOURCE_FILE in table.columns:
        table = table.with_columns(pl.col(SOURCE_FILE).str.strip_prefix(str(folder)))
    return table.sort(~cs.nested())


def _added(log: Path) -> list[str]:
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    return [Path(action["add"]["path"]).name for action in actions if "add" in action]
