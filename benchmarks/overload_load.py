"""Load on an HTTP server by `hey`: a number of clients that wait for answers, or a rate that does not."""

import csv
import json
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

TOOL = "hey"
DEADLINE_S = 1
"""How long a client waits: an answer after that is worth nothing, and `hey` hangs up."""

PROCESSES = 40
CLOSED_PROCESSES = 8
OK = "200"


@dataclass(frozen=True)
class Reading:
    """What came of some seconds of load.

    Attributes:
        offered: Requests per second that were asked; of waiting clients those that they got around to.
        good: Answers with status 200 within the deadline, per second.
        p50_ms: Of their latencies, milliseconds; 0 where there is none.
        p99_ms: The same.
        others: How many answers had another status, by status; requests without any under "none".
    """

    offered: float
    good: float
    p50_ms: float
    p99_ms: float
    others: dict[str, int]


def require_tool() -> None:
    """Raises RuntimeError where the load generator is not there."""
    if not shutil.which(TOOL):
        raise RuntimeError(f"this benchmark needs the load generator {TOOL}: apt install {TOOL}")


def closed_loop(url: str, clients: int, seconds: float) -> Reading:
    """`clients` that ask again as soon as they are answered."""
    each = shared_out(clients, CLOSED_PROCESSES)
    rows = _run(url, [["-c", str(count), "-z", f"{seconds:g}s"] for count in each], pause=0)
    return reading(rows, offered=len(rows), seconds=seconds)


def open_loop(url: str, rate: float, seconds: int) -> Reading:
    """`rate` requests per second that come whether the ones before are answered or not.

    A worker of `hey` asks once a second and gives up after one, so it is free again when its turn comes: there are as
    many workers as requests per second. They start together, hence several processes that start one after the other.
    """
    workers = max(1, round(rate))
    each = shared_out(workers, PROCESSES)
    arguments = [["-c", str(count), "-n", str(count * seconds), "-q", "1"] for count in each]
    rows = _run(url, arguments, pause=1 / len(each))
    return reading(rows, offered=workers * seconds, seconds=seconds)


def shared_out(workers: int, processes: int) -> list[int]:
    """Numbers of workers of at most so many processes, one at least for each."""
    processes = min(workers, processes)
    return [workers // processes + (place < workers % processes) for place in range(processes)]


def _run(url: str, each: Sequence[Sequence[str]], pause: float) -> list[dict[str, str]]:
    """The rows that every process reports: one per answer, none for a request that failed."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as open_files:
        running = []
        for place, arguments in enumerate(each):
            body = json.dumps({"user_id": place + 1, "k": 10})
            command = [TOOL, *arguments, "-t", str(DEADLINE_S), "-o", "csv", "-m", "POST", "-T", "application/json"]
            output = open_files.enter_context(open(Path(folder) / str(place), "w"))
            running.append(subprocess.Popen([*command, "-d", body, url], stdout=output, stderr=output))
            time.sleep(pause)
        for process in running:
            process.wait()
        rows: list[dict[str, str]] = []
        for place in range(len(each)):
            with open(Path(folder) / str(place)) as report:
                rows.extend(csv.DictReader(report))
        return rows


def reading(rows: list[dict[str, str]], offered: int, seconds: float) -> Reading:
    """What `hey`'s rows say of `offered` requests in so many seconds."""
    took = [float(row["response-time"]) for row in rows if row["status-code"] == OK]
    good = [latency for latency in took if latency <= DEADLINE_S]
    others = Counter(row["status-code"] for row in rows if row["status-code"] != OK)
    others["none"] = offered - len(rows)
    cuts = quantiles(good, n=100) if len(good) > 1 else [0.0] * 99
    return Reading(
        offered=offered / seconds,
        good=len(good) / seconds,
        p50_ms=cuts[49] * 1000,
        p99_ms=cuts[98] * 1000,
        others={status: count for status, count in others.items() if count},
    )
