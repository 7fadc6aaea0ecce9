"""`genrec bench sequences`: raw Parquet to validated events to sequences, against how it is written today.

Sides, each in a fresh process per round, in turns: `genrec`, what the project's assets do, with validation and
quarantine, without Dagster around it; `pandas`, pandas with Great Expectations on the frame; `duckdb`, DuckDB SQL
without validation; `io`, reading the same raw bytes and writing the same results. Seconds are those of the job, imports
not counted. All sides must come to the same sequences, row for row. The largest size runs once more under an
enforced memory limit.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from rich.box import SIMPLE_HEAD
from rich.table import Table

from benchmarks.environment_apart import is_installed, python_with
from benchmarks.figures import Figures, Report
from benchmarks.memory_limit import run_limited
from benchmarks.sequences_genrec import Job, demo_job
from benchmarks.timing import Samples, speedup
from models.columns import ITEM_IDS, TIMESTAMPS, USER_ID, VALUES
from storage.schema import DEFAULT_ACTIONS
from storage.sequence_store import scan_sequences

DUCKDB = "duckdb==2.0.0"
DUCKDB_SIDE = Path(__file__).with_name("sequences_duckdb.py")
FIRST_DAY = date(2026, 1, 1)
DAYS = 14
MILLION = 1_000_000
LARGEST_FOR_PANDAS = 20 * MILLION
BYTES_IN_MEMORY = 50
"""Of a raw event as a Polars frame holds it, about: three integers, a float, three texts."""


@dataclass(frozen=True)
class Tight:
    """Little memory: the profile's setting, and what the machine enforces."""

    rows_in_memory: int
    limit_mib: int


@dataclass(frozen=True)
class Plan:
    """One size of the benchmark.

    Attributes:
        events: About how many raw events.
        rounds: How often the sides alternate.
        tight: The job once more with little memory, enforced; None: not.
    """

    events: int
    rounds: int
    tight: "Tight | None" = None

    @property
    def name(self) -> str:
        return f"{self.events // MILLION}m" if self.events >= MILLION else f"{self.events // 1000}k"


PLANS = (Plan(MILLION, 3), Plan(10 * MILLION, 3), Plan(100 * MILLION, 1, Tight(1_000_000, 1_250)))

SMOKE = (Plan(3_000, 1), Plan(6_000, 1, Tight(10_000, 1_500)))


def plans_of(sizes: str) -> tuple[Plan, ...]:
    """The plans of sizes as a person writes them, such as 1,10.

    Raises:
        ValueError: a size is none of the three.
    """
    known = {str(plan.events // MILLION): plan for plan in PLANS}
    asked = [size.strip() for size in sizes.split(",")]
    strange = [size for size in asked if size not in known]
    if strange:
        raise ValueError(f"--sizes {sizes}: {strange[0]} is none of {', '.join(known)}")
    return tuple(known[size] for size in asked)


@dataclass(frozen=True)
class Sides:
    """Where the pieces of one size lie, and how each side is run on them."""

    plan: Plan
    root: Path
    job: Job
    duckdb: Path | None

    def run(self, side: str) -> dict[str, Any]:
        made: Callable[[], dict[str, Any]] = getattr(self, f"_{side}")
        return made()

    def _genrec(self) -> dict[str, Any]:
        rmtree(self.job.lake, ignore_errors=True)
        items = replace(self.job, work="items")
        _child([sys.executable, "-m", "benchmarks.sequences_genrec", items.argument])
        return _child([sys.executable, "-m", "benchmarks.sequences_genrec", self.job.argument])

    def tight(self, tight: Tight) -> dict[str, Any]:
        """The job in a lake of its own, within the limit."""
        job = replace(self.job, lake=str(self.root / "tight"), rows_in_memory=tight.rows_in_memory)
        rmtree(job.lake, ignore_errors=True)
        _child([sys.executable, "-m", "benchmarks.sequences_genrec", replace(job, work="items").argument])
        command = [sys.executable, "-m", "benchmarks.sequences_genrec", job.argument]
        output, kind = run_limited(command, tight.limit_mib)
        answer: dict[str, Any] = json.loads(output.splitlines()[-1])
        return answer | {"limited_by": kind}

    def _pandas(self) -> dict[str, Any]:
        return _child([sys.executable, "-m", "benchmarks.sequences_pandas", self._argument("pandas")])

    def _duckdb(self) -> dict[str, Any]:
        return _child([str(self.duckdb), str(DUCKDB_SIDE), self._argument("duckdb")])

    def _io(self) -> dict[str, Any]:
        days: dict[str, list[str]] = {}
        for path in self._raw("events"):
            days.setdefault(Path(path).parent.name, []).append(path)
        with TemporaryDirectory(dir=self.root) as out:
            argument = json.dumps({"lake": self.job.lake, "events": days, "out": out})
            return _child([sys.executable, "-m", "benchmarks.sequences_io", argument])

    def _raw(self, table: str) -> list[str]:
        files = Path(self.job.landing, table).glob("*/part-*.parquet")
        return [str(path) for path in sorted(files, key=lambda path: (path.parent.name, path.name))]

    def _argument(self, side: str) -> str:
        after = (FIRST_DAY + timedelta(DAYS + 1) - date(1970, 1, 1)).days * 86_400_000
        return json.dumps(
            {
                "events": self._raw("events"),
                "items": self._raw("items"),
                "actions": list(DEFAULT_ACTIONS),
                "latest": after,
                "out": str(self.root / f"{side}.parquet"),
                "cpus": os.cpu_count(),
            }
        )


def run(plans: Sequence[Plan], out: Path, others: bool, smoke: bool, report: Report) -> Figures:
    """Measures every plan; `others` False leaves pandas and DuckDB out."""
    duckdb_folder = out / "duckdb"
    duckdb = None
    if others and not (smoke and not is_installed(duckdb_folder)):
        duckdb = python_with(DUCKDB, duckdb_folder, report)
    figures: Figures = {}
    seconds: dict[int, float] = {}
    for plan in plans:
        root = out / "sequences" / plan.name
        root.mkdir(parents=True, exist_ok=True)
        job = demo_job(root, plan.events, DAYS, FIRST_DAY)
        report(f"{plan.name}: writing the demo world's landing files where they are not there")
        raw = _land(job)
        sides = Sides(plan, root, job, duckdb)
        results = _race(sides, _names(plan, others, duckdb), report)
        if plan.events <= LARGEST_FOR_PANDAS:
            figures[f"equal_{plan.name}"] = _equal(sides, list(results))
        figures |= _figures(plan, raw, results, report)
        if plan.tight is not None:
            figures |= _tight_figures(sides, plan.tight, raw, report)
        seconds[raw] = min(Samples(tuple(r["seconds"] for r in results["genrec"])).seconds)
    if len(seconds) > 1:
        figures |= _growth(seconds, report)
    return figures


def _names(plan: Plan, others: bool, duckdb: Path | None) -> list[str]:
    names = ["genrec", "io"]
    if duckdb is not None:
        names.append("duckdb")
    if others and plan.events <= LARGEST_FOR_PANDAS:
        names.append("pandas")
    return names


def _land(job: Job) -> int:
    """Writes the landing files; returns the number of raw events."""
    from assets.sources.settings import open_source

    source = open_source(job.source, job.landing, FIRST_DAY)
    days = [FIRST_DAY + timedelta(n) for n in range(DAYS)]
    source.land("items", days)
    files = source.land("events", days)
    return int(pl.scan_parquet([file.path for file in files]).select(pl.len()).collect().item())


def _race(sides: Sides, names: Sequence[str], report: Report) -> dict[str, list[dict[str, Any]]]:
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for index in range(sides.plan.rounds):
        # genrec goes first in any round: io writes again what it came to.
        for name in [names[0], *names[1:][:: 1 if index % 2 == 0 else -1]]:
            results[name].append(sides.run(name))
            report(f"{sides.plan.name} round {index + 1}: {name} {results[name][-1]['seconds']:.2f} s")
    return results


def _figures(plan: Plan, raw: int, results: dict[str, list[dict[str, Any]]], report: Report) -> Figures:
    samples = {name: Samples(tuple(run["seconds"] for run in runs)) for name, runs in results.items()}
    own = samples["genrec"]
    table = Table("side", "seconds", "of genrec's", "peak MB", box=SIMPLE_HEAD, title=f"{raw:,} raw events")
    for name, side in samples.items():
        peak = max((run["peak_mb"] for run in results[name] if "peak_mb" in run), default=0.0)
        table.add_row(name, str(side.spread), str(speedup(side, own)), f"{peak:,.0f}" if peak else "")
    report(table)
    figures: Figures = {
        f"events_per_s_{plan.name}": own.rate(raw).median,
        f"peak_mb_{plan.name}": max(run["peak_mb"] for run in results["genrec"]),
        f"io_ratio_{plan.name}": speedup(own, samples["io"]).median,
    }
    figures |= {f"{name}_ratio_{plan.name}": speedup(samples[name], own).median for name in samples if name in OTHERS}
    return figures


def _tight_figures(sides: Sides, tight: Tight, raw: int, report: Report) -> Figures:
    result, name = sides.tight(tight), sides.plan.name
    held = raw * BYTES_IN_MEMORY / 2**20 / tight.limit_mib
    report(
        f"{name} within {tight.limit_mib} MiB, enforced by {result['limited_by']}: {result['seconds']:.1f} s; "
        f"the raw events in memory would be {held:.1f} times the limit"
    )
    return {
        f"limit_mb_{name}": tight.limit_mib,
        f"limited_s_{name}": result["seconds"],
        f"limited_by_{name}": result["limited_by"],
        f"data_to_limit_{name}": held,
    }


OTHERS = ("pandas", "duckdb")


def _growth(seconds: dict[int, float], report: Report) -> Figures:
    """A straight line through cost by size: seconds per million events, and how far the points lie off it."""
    sizes, costs = np.array(list(seconds)) / MILLION, np.array(list(seconds.values()))
    slope, start = np.polyfit(sizes, costs, 1, w=1 / costs)
    worst = float(np.abs(1 - (start + slope * sizes) / costs).max())
    report(f"cost = {start:.2f} s + {slope:.3f} s per million events, within {worst:.0%} of every size")
    return {"seconds_per_million": float(slope), "fit_worst_error": worst}


def _equal(sides: Sides, names: Sequence[str]) -> bool:
    """Whether all sides came to the same sequences; raises where they did not, since then nothing was compared."""
    own = _sorted(scan_sequences(sides.job.lake).collect())
    for name in names:
        if name in OTHERS and not own.equals(_sorted(pl.read_parquet(sides.root / f"{name}.parquet"))):
            raise RuntimeError(f"{name} came to other sequences than genrec at {sides.plan.name}")
    return True


def _sorted(users: pl.DataFrame) -> pl.DataFrame:
    times = pl.col(TIMESTAMPS)
    numbers = times.list.eval(pl.element().dt.epoch("ms")) if _holds_times(users) else times
    return users.select(
        pl.col(USER_ID).cast(pl.Int64),
        pl.col(ITEM_IDS).cast(pl.List(pl.Int64)),
        numbers.cast(pl.List(pl.Int64)),
        pl.col("actions").cast(pl.List(pl.Int64)),
        pl.col(VALUES).cast(pl.List(pl.Float32)).list.eval(pl.element().fill_nan(None)),
        pl.col("surfaces").cast(pl.List(pl.String)),
    ).sort(USER_ID)


def _holds_times(users: pl.DataFrame) -> bool:
    dtype = users.schema[TIMESTAMPS]
    return isinstance(dtype, pl.List) and isinstance(dtype.inner, pl.Datetime)


def _child(command: Sequence[str]) -> dict[str, Any]:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-1500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer
