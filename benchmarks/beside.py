"""`genrec bench beside`: what training does beside other programs that take all of the processor they can get.

The platform trains as it does for a profile, on a made-up log, and goes on all the time: with workers of a Ray head,
and in the run's own process. Meanwhile none, one and two processes beside it compute without a pause, in turns. Each
epoch says how fast it was; the one in which the neighbours change does not count.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from assets.ray_cluster import attached
from assets.training.journal import entries
from assets.training.progress import PROGRESS
from assets.training.ray_train import TrainingJob, train
from benchmarks.figures import Figures, Report
from benchmarks.training_set import write_log, write_set
from models.config.model import ModelConfig
from models.config.training import TrainingConfig
from orchestration import environment, local_stack
from orchestration.profile import load_profile
from serving.ports import free_port

USERS, SMOKE_USERS = 1_500, 40
WORKERS = 2
NEIGHBOURS = (0, 1, 2)
EPOCHS = 1_000_000
"""So many that training goes on until it is ended."""

COUNTED = 3
"""Epochs that count before the neighbours change."""

WAIT_SECONDS = 300
SECONDS_TO_START = 1.0
"""Until neighbours that were started compute."""

POLL_SECONDS = 0.1
BUSY = "while True: pass"
WAYS = {"": WORKERS, "inline_": 0}


def run(rounds: int, smoke: bool, report: Report) -> Figures:
    """Tokens per second alone, and which share of them is left beside one and two busy processes.

    Args:
        rounds: How often the neighbours come and go.
    """
    figures: Figures = {}
    with TemporaryDirectory(prefix="genrec-beside-") as name:
        folder = Path(name)
        write_log(folder, SMOKE_USERS if smoke else USERS)
        write_set(str(folder), 100_000)
        for prefix, workers in list(WAYS.items())[-1:] if smoke else WAYS.items():
            training = TrainingConfig(epochs=EPOCHS, batch_size=32)
            job = TrainingJob(str(folder / "set"), str(folder / f"run-{workers}"), ModelConfig(), training, workers)
            with _trained(folder, job) as trainer:
                speeds = _speeds(trainer, Path(job.folder) / PROGRESS, 1 if smoke else rounds, smoke)
            alone = median(speeds[0])
            figures[f"{prefix}tokens_per_s"] = alone
            for busy in NEIGHBOURS[1:]:
                figures[f"{prefix}share_beside_{busy}"] = median(speeds[busy]) / alone
            shares = ", ".join(f"{median(speeds[busy]) / alone:.2f} of it beside {busy}" for busy in NEIGHBOURS[1:])
            report(f"{workers or 'no'} workers: {alone:,.0f} tokens/s alone, {shares}, on {os.cpu_count()} cores")
    return figures


def _speeds(trainer: "subprocess.Popen[str]", journal: Path, rounds: int, smoke: bool) -> dict[int, list[float]]:
    """Tokens per second of epochs, by the number of busy neighbours."""
    speeds: dict[int, list[float]] = {busy: [] for busy in NEIGHBOURS}
    _wait_for(1, journal, trainer)
    for _ in range(rounds):
        for busy, found in speeds.items():
            with _busy(busy):
                time.sleep(0.0 if smoke else SECONDS_TO_START)
                began = len(_epochs(journal)) + 1
                done = _wait_for(began + COUNTED, journal, trainer)
            found += [epoch["tokens_per_second"] for epoch in done[began : began + COUNTED]]
    return speeds


def _wait_for(epochs: int, journal: Path, trainer: "subprocess.Popen[str]") -> list[dict[str, Any]]:
    """The journal once it has so many epochs.

    Raises:
        RuntimeError: training ended, or it takes too long.
    """
    end = time.monotonic() + WAIT_SECONDS
    while len(done := _epochs(journal)) < epochs:
        if trainer.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"training does not go on: {trainer.communicate()[0] if trainer.poll() else done[-1:]}")
        time.sleep(POLL_SECONDS)
    return done


def _epochs(journal: Path) -> list[dict[str, Any]]:
    """The entries of whole epochs."""
    return [entry for entry in entries(journal) if "validation" in entry]


@contextmanager
def _trained(folder: Path, job: TrainingJob) -> Iterator["subprocess.Popen[str]"]:
    """A process in which `job` is trained, as a run of the platform does it, until the block ends."""
    with ExitStack() as stack:
        told: Mapping[str, str] = {**os.environ, **environment.FIXED}
        address = ""
        if job.workers:
            path = folder / "beside.yaml"
            path.write_text(yaml.safe_dump(_profile()))
            os.environ[environment.HOME_VARIABLE] = str(folder / "home")
            profile = load_profile(str(path))
            local_stack.up(profile)
            stack.callback(local_stack.down)
            told, address = environment.child_environment(profile), profile.ray.gcs_address
        work = json.dumps({"job": job.as_json(), "address": address})
        trainer = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-W", "ignore", "-m", __name__, work],
                env=told,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
        stack.callback(trainer.terminate)
        yield trainer


def _profile() -> Mapping[str, Any]:
    return {
        "first_day": "2026-01-01",
        "source": {"kind": "demo_world"},
        "training": {"positive_actions": ["click"]},
        "ray": {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 100},
    }


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that compute without a pause."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY], start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def main(work: Mapping[str, Any]) -> None:
    with ExitStack() as stack:
        if work["address"]:
            stack.enter_context(attached(work["address"]))
        train(TrainingJob.read(work["job"]))


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
