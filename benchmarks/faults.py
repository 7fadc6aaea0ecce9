"""What becomes of the tables when runs are killed, disks fill up, inputs are cut off, and two runs meet.

After each fault the run is repeated; then every table must equal that of a run which nothing disturbed, row for row,
and nothing may be left behind.
"""

import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from benchmarks.fault_disks import full_disks
from benchmarks.fault_inputs import FORMS, cut_inputs
from benchmarks.fault_line import TABLES, Contents, Line, differing
from benchmarks.fault_tally import Tally
from benchmarks.figures import Figures, Report

SEED = 7
KILLS = 20
DAYS = 4
EVENTS = 90_000
FILLED = (0.05, 0.35, 0.65, 0.95)
"""How much of what a run writes fits on the disk before it is full."""

HEAD_STARTS = (0.0, 0.3, 1.0)
"""Seconds by which one of two runs is ahead."""

ORDERS = 2

STAGED = [f"tables/{table}/**/*.parquet" for table in (*TABLES, "sequences")]
COMMITTED = [f"tables/{table}/_delta_log/*.json" for table in (*TABLES, "sequences")]
POINTS = [*STAGED, *COMMITTED, "sequences/*.arrow", "staging/*/run-*.arrow"]
"""A run is killed as soon as a new such file is seen: rows written and not committed, or just committed."""


def run(smoke: bool = False, report: Report = print) -> Figures:
    """Disturbs a line of the demo world.

    Returns:
        `kills`; `lost_rows`, rows of landing files that are neither accepted nor quarantined; `differing_tables`, after
        a run was repeated; `torn_tables`, that were not whole right after a fault; `orphans`, files left over; and how
        often each of the other faults was tried.
    """
    tally = Tally(report)
    with tempfile.TemporaryDirectory() as name:
        folder, size = Path(name), {"kind": "demo_world", "events": 20_000 if smoke else EVENTS}
        line = Line.made(folder / "line", size, 2 if smoke else DAYS)
        line.run()
        expected, landing = line.contents(), _landing(line)
        # The first run reads every library from disk, so that of the second is the time which kills are spread over.
        seconds = 0.0 if smoke else _undisturbed(line, expected, tally)
        kills(line, expected, tally, seconds, points=STAGED[3:4] if smoke else POINTS, times=0 if smoke else KILLS)
        for form in FORMS[1:2] if smoke else FORMS:
            cut_inputs(folder / form, form, landing, tally)
        meetings(line, expected, tally, () if smoke else HEAD_STARTS)
        if not smoke:
            full_disks(folder, size, line.days, tally, FILLED)
            backfills(line, expected, tally, ORDERS)
    return tally.figures()


def _undisturbed(line: Line, expected: Contents, tally: Tally) -> float:
    """Runs the line again and returns how many seconds that takes."""
    began = time.monotonic()
    line.run()
    seconds = time.monotonic() - began
    tally.again("undisturbed", line, expected, line.landed_rows())
    return seconds


def kills(line: Line, expected: Contents, tally: Tally, seconds: float, points: Sequence[str], times: int) -> None:
    """Kills runs at random moments, and when a file of each kind comes; in turns on an empty and on a full state."""
    draw = random.Random(SEED)
    moments = [_after(draw.uniform(0, seconds)) for _ in range(times)]
    for number, (name, moment) in enumerate([*moments, *((point, _new(point)) for point in points)]):
        fresh = number % 2 == 0
        if fresh:
            line.forget()
        tally.count("kills", line.kill(moment(line)))
        if not fresh:
            tally.torn(f"killed {name}", differing(line.contents(), expected))
        line.run()
        tally.again(f"killed {name} of {'the first' if fresh else 'a later'} run", line, expected, line.landed_rows())


Moment = Callable[[Line], Callable[[], bool]]
"""From the line about to be run to whether the moment has come."""


def _after(seconds: float) -> tuple[str, Moment]:
    def moment(_: Line) -> Callable[[], bool]:
        end = time.monotonic() + seconds
        return lambda: time.monotonic() >= end

    return f"after {seconds:.2f} s", moment


def _new(pattern: str) -> Moment:
    def moment(line: Line) -> Callable[[], bool]:
        root = Path(line.lake.root)
        known = set(root.glob(pattern))
        return lambda: any(path not in known for path in root.glob(pattern))

    return moment


def meetings(line: Line, expected: Contents, tally: Tally, head_starts: Sequence[float]) -> None:
    """Two runs of the same days at once: through the command, where the second waits, and below its lock."""
    first = line.start()
    while not line.running() and first.poll() is None:
        time.sleep(0.01)
    second = line.start()
    told = [one.communicate()[0] for one in (first, second)]
    waited = "waits for run" in told[1]
    tally.report(f"a second run: {'waited for the first' if waited else f'did not wait: {told[1]}'}")
    tally.count("unexplained_failures", not waited or first.returncode != 0 or second.returncode != 0)
    tally.again("two runs after each other", line, expected, line.landed_rows())
    for number, ahead in enumerate(head_starts):
        if number % 2 == 0:
            line.forget()
        runs = [line.start(alone=False)]
        time.sleep(ahead)
        runs.append(line.start(alone=False))
        for one in runs:
            output, _ = one.communicate()
            if one.returncode:
                tally.explained("a run below the lock", output)
        line.run()
        tally.again(f"two runs {ahead} s apart", line, expected, line.landed_rows())
        tally.count("meetings")


def backfills(line: Line, expected: Contents, tally: Tally, orders: int) -> None:
    """Day by day in random order, after the catalogue, without which no event is accepted."""
    draw = random.Random(SEED)
    for _ in range(orders):
        line.forget()
        line.run("--select", "*items")
        for day in draw.sample(line.all_days, line.days):
            line.run("--days", str(day))
        # Items are numbered in the order in which they come, which the days' order is free to choose.
        rows = {"item_rows": line.contents()["item_rows"]}
        tally.again("backfilled day by day", line, {**expected, **rows}, line.landed_rows())
        tally.count("backfills")


def _landing(line: Line) -> dict[str, dict[str, pl.DataFrame]]:
    """The rows of the landing files: table, day."""
    return {
        table: {
            str(day): pl.read_parquet(line.state / "landing" / table / str(day) / "*.parquet") for day in line.all_days
        }
        for table in ("events", "items")
    }
