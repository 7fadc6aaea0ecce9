"""`genrec bench nightly`: a new day on 60 days of history, against rebuilding all 61 days.

Both do what the project's assets do, in a fresh process, imports not counted: raw events, events with validation,
sequences. Afterwards the files of the sequences must hold the same bytes.
"""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from shutil import copytree, rmtree

from benchmarks.figures import Figures, Report
from benchmarks.sequences_genrec import Job, demo_job
from benchmarks.timing import Samples, speedup
from storage.lake import Lake
from storage.sequence_ledger import read_ledger
from storage.sequence_store import BUCKETS_FOLDER, FILE

DAYS = 61
FIRST_DAY = date(2026, 1, 1)
WORLD_DAYS = 14
"""The demo world's knob counts the events of so many days."""

SMOKE_EVENTS = 20_000


def run(events: int, rounds: int, out: Path, smoke: bool, report: Report) -> Figures:
    """What one more day costs, as a share of rebuilding all days.

    Args:
        events: About how many raw events all days hold.
        rounds: How often both are measured, in turns.
        out: Where landing files and lakes are kept.
    """
    events, rounds = (SMOKE_EVENTS, 1) if smoke else (events, rounds)
    root = out / "nightly" / str(events)
    root.mkdir(parents=True, exist_ok=True)
    whole = demo_job(root, events * WORLD_DAYS // DAYS, DAYS, FIRST_DAY)
    last = (FIRST_DAY + timedelta(DAYS - 1)).isoformat()
    before_last = (FIRST_DAY + timedelta(DAYS - 2)).isoformat()
    history = replace(whole, lake=str(root / "history"), days=(whole.days[0], before_last))
    rmtree(history.lake, ignore_errors=True)
    report("making the landing files where they are not there, and 60 days of history")
    _run(_with_items(replace(history, days=whole.days)))
    _run(history)
    night, anew = [], []
    for index in range(rounds):
        rmtree(root / "lake", ignore_errors=True)
        rmtree(root / "nightly", ignore_errors=True)
        copytree(history.lake, root / "nightly")
        night.append(_run(replace(whole, lake=str(root / "nightly"), days=(last, last))))
        _run(_with_items(whole))
        anew.append(_run(whole))
        report(f"round {index + 1}: one day {night[-1]:.2f} s, all {DAYS} days {anew[-1]:.2f} s")
    share = speedup(Samples(tuple(night)), Samples(tuple(anew)))
    equal = _contents(root / "nightly") == _contents(root / "lake")
    report(f"one day costs {share} of all days; the bytes {'agree' if equal else 'DIFFER'}")
    return {"cost_ratio": share.median, "bytes_equal": equal, "one_day_s": min(night), "all_days_s": min(anew)}


def _with_items(job: Job) -> Job:
    return replace(job, work="items")


def _run(job: Job) -> float:
    command = [sys.executable, "-m", "benchmarks.sequences_genrec", job.argument]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"the run of {job.days} failed: {done.stderr.strip()[-1500:]}")
    return float(json.loads(done.stdout.splitlines()[-1])["seconds"])


def _contents(lake: Path) -> list[bytes]:
    """The sequences' files in order of their buckets."""
    return [(lake / BUCKETS_FOLDER / file).read_bytes() for file in read_ledger(Lake(str(lake)))[FILE]]
