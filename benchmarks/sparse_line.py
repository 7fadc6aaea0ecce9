"""`genrec bench sparse --endpoint`: a long, sparse log from its file to an endpoint that answers, as a new user goes.

The commands are those of the README: `genrec init`, `genrec materialize`, `genrec recommend`; nothing is edited.
"""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import polars as pl

from benchmarks.figures import Figures, Report
from benchmarks.sparse import FIRST_DAY
from orchestration.environment import HOME_VARIABLE

ROWS_A_DAY = 12
ITEMS = 1_500
EVENTS_A_USER = 6
STAY_DAYS = 200
"""Mean time from one event of a user to the next."""


def run(days: int, report: Report) -> Figures:
    """Minutes of all three commands, for a log of `days` days."""
    with TemporaryDirectory() as folder:
        rows = write_log(Path(folder) / "log.csv", days)
        began = perf_counter()
        try:
            told = _genrec(Path(folder), "init", "log.csv", "--profile", "long.yaml")
            _genrec(Path(folder), "materialize", "--profile", "long.yaml")
            _genrec(Path(folder), *told.splitlines()[-1].split()[1:])
            minutes = (perf_counter() - began) / 60
        finally:
            _genrec(Path(folder), "down", "--profile", "long.yaml")
    report(f"{rows:,} rows on {days:,} days: from the file to an answer in {minutes:.1f} minutes")
    return {f"minutes_to_endpoint_{days}": minutes}


def write_log(path: Path, days: int) -> int:
    """Purchases by the day, with some items bought often: users come, buy and leave. Returns their number."""
    rng = np.random.default_rng(days)
    users = days * ROWS_A_DAY // EVENTS_A_USER
    bought = rng.geometric(1 / EVENTS_A_USER, users)
    buyer = np.repeat(np.arange(users), bought)
    waited = rng.exponential(STAY_DAYS, len(buyer)).cumsum()
    first = np.repeat(waited[bought.cumsum() - bought], bought)
    moment = np.repeat(rng.uniform(0, days, users), bought) + waited - first
    product = (rng.zipf(1.3, len(buyer)) * 7 + buyer % 50) % ITEMS
    day = np.datetime64(FIRST_DAY) + moment.astype(int)
    log = pl.DataFrame({"buyer": buyer, "product": product, "day": day}).filter(pl.Series(moment < days))
    log.sort("day", "buyer").write_csv(path)
    return log.height


def _genrec(folder: Path, *arguments: str) -> str:
    """What the command says.

    Raises:
        RuntimeError: it failed.
    """
    command = [sys.executable, "-m", "orchestration.cli", *arguments]
    environment = {**os.environ, HOME_VARIABLE: str(folder / "home")}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"genrec {' '.join(arguments)} failed: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout
