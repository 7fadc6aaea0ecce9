"""`genrec bench validation`: judging every row of synthetic events, against reading them.

The events lie in Parquet files as the stage `events` writes them. Sides, alternating in one run:

- read: every column scanned and summed.
- rows: the expectations on rows, counted and judged.
- whole: all that the asset `events` does to judge them, the statistics of the days and their drift included.

Memory is the high-water mark of a fresh process that does `whole` once; Linux.
"""

import subprocess
import sys
import tempfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import polars.selectors as cs
from rich.box import SIMPLE_HEAD
from rich.table import Table

from assets.events.expectations import events_expectations
from assets.validation.day_summary import PERIOD
from assets.validation.drift import with_drift
from assets.validation.settings import QualitySettings
from assets.validation.statistics import EVENT_STATISTICS_SCHEMA, day_statistics
from assets.validation.validation import Validation, validate
from benchmarks.figures import Figures, Report
from benchmarks.timing import interleaved, speedup
from models.columns import ACTION, ARRIVAL, DAY, ITEM_ID, REASON, REQUEST_ID, SURFACE, TIMESTAMP, USER_ID, VALUE
from storage.schema import TIME, events_schema

ROWS = 10_000_000
DAYS = 7
FILE_ROWS = 2_000_000
ROW_GROUP_ROWS = 65_536
EVENTS_PER_USER = 20
ITEMS = 100_000
ROUNDS = 3
FIRST_DAY = date(2026, 1, 1)
NOW = datetime(2026, 2, 1, tzinfo=UTC)
ACTIONS = ("impression", "view", "click", "like", "purchase")
SURFACES = ("home", "search", "item")


def write_events(folder: Path, rows: int) -> None:
    """Writes `rows` good events over DAYS days; users together, each in time, as they are staged."""
    for number in range(DAYS):
        day, count = FIRST_DAY + timedelta(days=number), rows // DAYS
        parts = -(-count // FILE_ROWS)
        for part in range(parts):
            events = _events(np.random.default_rng((number, part)), day, count // parts, part)
            path = folder / f"{DAY}={day}" / f"{part}.parquet"
            path.parent.mkdir(parents=True, exist_ok=True)
            events.write_parquet(path, compression="zstd", compression_level=1, row_group_size=ROW_GROUP_ROWS)


def scan_events(folder: Path) -> pl.LazyFrame:
    return pl.scan_parquet(sorted(folder.rglob("*.parquet")), hive_partitioning=True, hive_schema={DAY: pl.Date()})


def read(rows: pl.LazyFrame) -> pl.DataFrame:
    """The sum of every column; of texts that of their lengths, of times the latest."""
    sums = rows.select(cs.string().str.len_bytes().sum(), cs.numeric().sum(), cs.temporal().max())
    return sums.collect(engine="streaming")


def judge_rows(rows: pl.LazyFrame) -> Validation:
    """The expectations on rows alone."""
    suite = [e for e in events_expectations(QualitySettings(), NOW) if e.batch == "rows"]
    return validate("events", {"rows": rows}, suite)


def judge(rows: pl.LazyFrame) -> Validation:
    """Rows, days, and what they are compared with.

    Raises:
        RuntimeError: a good row was found bad, so that the benchmark measured something else.
    """
    days = [FIRST_DAY + timedelta(days=number) for number in range(DAYS)]
    nothing = pl.DataFrame(schema={DAY: pl.Date, REASON: pl.String, "rows": pl.Int64})
    statistics = day_statistics(rows, nothing, days)
    summary = statistics.select(
        pl.col(DAY).cast(pl.String).alias(PERIOD), "rows", "rejected", rejected_share=0.0, without_time_share=0.0
    )
    rules = QualitySettings()
    known = pl.DataFrame(schema=EVENT_STATISTICS_SCHEMA)
    summary = with_drift(summary, statistics, known, rules.drift.min_days, rules.min_rows_judged)
    validation = validate("events", {"rows": rows, "days": summary}, events_expectations(rules, NOW))
    if validation.blocking:
        raise RuntimeError(f"good events were refused: {validation.blocking[0].expectation.call}")
    return validation


def run(rows: int = ROWS, rounds: int = ROUNDS, smoke: bool = False, report: Report = print) -> Figures:
    """Measures `rows` events.

    Returns:
        `read_ratio` and `rows_read_ratio`: time of `whole` and of `rows` in times of `read`; `rows_per_s` of `whole`;
        `peak_mb`.
    """
    rows, rounds = (20_000, 1) if smoke else (rows, rounds)
    with tempfile.TemporaryDirectory() as name:
        write_events(Path(name), rows)
        events = scan_events(Path(name))
        count = int(events.select(pl.len()).collect().item())
        samples = interleaved(
            {"read": lambda: read(events), "rows": lambda: judge_rows(events), "whole": lambda: judge(events)}, rounds
        )
        peak = peak_megabytes(Path(name))
    ratios = {side: speedup(samples[side], samples["read"]) for side in samples}
    table = Table(title=f"{count:,} events judged; peak memory {peak:,.0f} MB", box=SIMPLE_HEAD)
    for heading in ("side", "seconds", "times reading"):
        table.add_column(heading, justify="right")
    for side, sample in samples.items():
        table.add_row(side, str(sample.spread), str(ratios[side]))
    report(table)
    return {
        "rows": count,
        "read_ratio": ratios["whole"].median,
        "read_ratio_low": ratios["whole"].low,
        "read_ratio_high": ratios["whole"].high,
        "rows_read_ratio": ratios["rows"].median,
        "rows_per_s": samples["whole"].rate(count).median,
        "peak_mb": peak,
    }


def peak_megabytes(folder: Path) -> float:
    """The most memory that a fresh process held while it judged the events below `folder`.

    Raises:
        RuntimeError: the process failed.
    """
    command = [sys.executable, "-m", "benchmarks.validation", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"measuring the memory of the validation failed: {done.stderr.strip()[-500:]}")
    return float(done.stdout.split()[-1])


def _events(random: np.random.Generator, day: date, count: int, part: int) -> pl.DataFrame:
    users = np.sort(random.integers(0, max(1, count // EVENTS_PER_USER), count)) + part * FILE_ROWS
    milliseconds = random.integers(0, 86_400_000, count)
    order = np.lexsort((milliseconds, users))
    midnight = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
    requests = (random.integers(0, 2**40, count // 10 + 1).repeat(10)[:count]).astype(str)
    frame = pl.DataFrame(
        {
            USER_ID: users,
            ITEM_ID: random.zipf(1.3, count) % ITEMS,
            TIMESTAMP: pl.from_epoch(pl.Series(midnight + milliseconds[order]), "ms").dt.replace_time_zone("UTC"),
            ACTION: pl.Series(ACTIONS).gather(random.integers(0, len(ACTIONS), count)),
            VALUE: random.random(count, np.float32),
            SURFACE: pl.Series(SURFACES).gather(random.integers(0, len(SURFACES), count)),
            REQUEST_ID: requests,
            ARRIVAL: random.permutation(count),
        }
    )
    schema = {name: dtype for name, dtype in events_schema("int64").items() if name in frame.columns}
    return frame.with_columns(pl.col(name).cast(dtype) for name, dtype in schema.items()).with_columns(
        pl.col(TIMESTAMP).cast(TIME)
    )


if __name__ == "__main__":
    judge(scan_events(Path(sys.argv[1])))
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) / 1024 for line in status if line.startswith("VmHWM")))
