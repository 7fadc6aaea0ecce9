"""`genrec bench rollback`: how long the way back takes while a model trains, and what requests notice of it.

All of it is real: a head, an endpoint with two replicas, Dagster's UI with its daemon, a training that was launched in
the UI and goes on all the time, and clients that never pause.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import yaml

from assets.versions import releases_of
from benchmarks.figures import Figures, Report
from benchmarks.line import materialize
from benchmarks.rollback_clients import CLIENTS, Clients, Span
from benchmarks.user_interface import UserInterface, user_interface
from models.manifest import MANIFEST, list_versions, read_manifest
from serving.client import EndpointClient, EndpointError
from serving.ports import free_port
from storage.lake import Lake

FIRST_DAY = date(2026, 1, 1)
DAYS, SMOKE_DAYS = 4, 2
STAGES = ("raw_events", "raw_items", "items", "events", "sequences", "training_set", "hstu_model")
UPSTREAM = " or ".join(f'key:"{stage}"' for stage in STAGES)
EPOCHS = 1_000_000
"""So many that the training goes on until it is ended."""

REPLICAS = 2
REQUESTS, SMOKE_REQUESTS = 10_000, 200
SMOKE_PAUSE = 0.05
"""Seconds between requests, for what asks without one takes a core from the roll-outs."""

WAIT_SECONDS = 180
POLL_SECONDS = 0.05

LOGS = """query($id: ID!) { logsForRun(runId: $id, limit: 1000) {
  ... on EventConnection { events { ... on LogMessageEvent { message } } } } }"""
TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"


@dataclass(frozen=True)
class Installation:
    """One home with one profile, driven by commands.

    Attributes:
        folder: Holds both.
        endpoint: Port of the endpoint.
    """

    folder: Path
    endpoint: int

    @classmethod
    def made(cls, folder: Path, events: int, days: int, workers: int) -> "Installation":
        """Writes the profile of a small model and trains a version by it, which needs no cluster yet."""
        port = free_port()
        profile: dict[str, Any] = {
            "first_day": FIRST_DAY.isoformat(),
            "last_day": (FIRST_DAY + timedelta(days=days)).isoformat(),
            "id_type": "int64",
            "source": {"kind": "demo_world", "events": events},
            "training": {
                "positive_actions": ["click"],
                "use_content": False,
                "model": {"width": 32, "max_length": 32, "backbone": {"layers": 2, "heads": 1, "head_dim": 32}},
                "optimisation": {"epochs": 1, "loss": {"negatives": 64, "shared": True}},
                "validation_users": 20,
                "workers": workers,
            },
            "endpoint": {"port": port, "replicas": REPLICAS},
            "ray": {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 200},
        }
        made = cls(folder, port)
        made.profile.write_text(yaml.safe_dump({**profile, "ray": {"mode": "inline"}}))
        materialize(made.profile, made.home, UPSTREAM)
        made.profile.write_text(yaml.safe_dump(profile))
        return made

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.endpoint}"

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def profile(self) -> Path:
        return self.folder / "shop.yaml"

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment of every process, without what the caller's says of another home."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
        return {**clean, "GENREC_HOME": str(self.home), "GENREC_PROFILE": str(self.profile)}

    def three_versions(self) -> tuple[str, str, str]:
        """The trained one, and copies of it by other names: a roll-out takes as long whatever the weights are."""
        artifacts = self.home / "shop" / "artifacts" / "hstu"
        (trained,) = list_versions(artifacts)
        copies = f"{trained}-2", f"{trained}-3"
        for copy in copies:
            shutil.copytree(artifacts / trained, artifacts / copy)
            manifest = read_manifest(artifacts / trained).model_copy(update={"version": copy})
            (artifacts / copy / MANIFEST).write_text(manifest.model_dump_json())
        return trained, *copies

    def served_before(self, *versions: str) -> None:
        """Puts on record that versions were champions one after the other and answered, as of nights before."""
        releases = releases_of(Lake(str(self.home / "shop")))
        for version in versions:
            releases.promote(version, "the benchmark says so")
            releases.served(version)

    def start(self, *arguments: str) -> "subprocess.Popen[str]":
        command = [sys.executable, *arguments]
        return subprocess.Popen(
            command,
            env=self.variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def genrec(self, *arguments: str) -> None:
        """Runs a command of ours.

        Raises:
            RuntimeError: it failed; the message is what it printed.
        """
        output, _ = (process := self.start("-m", "orchestration.cli", *arguments)).communicate()
        if process.returncode:
            raise RuntimeError(f"genrec {' '.join(arguments)} failed: {output}")

    def seconds_until_served(self, version: str) -> float:
        """Seconds until every replica has answered with `version`.

        Raises:
            TimeoutError: that does not happen.
        """
        began = time.monotonic()
        replicas: set[str] = set()
        while len(replicas) < REPLICAS:
            if time.monotonic() - began > WAIT_SECONDS:
                raise TimeoutError(f"{version} is not served after {WAIT_SECONDS} s")
            with EndpointClient(self.url) as client:
                try:
                    status = client.status()
                except EndpointError:
                    continue
            if status.version == version:
                replicas.add(status.replica)
            time.sleep(POLL_SECONDS)
        return time.monotonic() - began


class RollOuts:
    """A process that promotes and deploys on demand, so that a roll-out is not also the start of a process."""

    def __init__(self, installation: Installation) -> None:
        self._process = installation.start("-W", "ignore", "-m", "benchmarks.rollback_rollouts")

    def promote(self, version: str) -> tuple[float, float]:
        """Makes a version champion, by hand, and deploys it; returns when that began and was done (seconds, epoch).

        Raises:
            RuntimeError: it failed.
        """
        assert self._process.stdin
        assert self._process.stdout
        print(version, file=self._process.stdin, flush=True)
        said = []
        for line in self._process.stdout:
            if line.startswith("{"):
                told = json.loads(line)
                return told["began"], told["done"]
            said.append(line)
        raise RuntimeError(f"the roll-out of {version} failed: {''.join(said)}")

    def close(self) -> None:
        self._process.communicate()


def run(rounds: int, smoke: bool, report: Report) -> Figures:
    """Seconds of a rollback by command and by UI while `hstu_model` trains, and failed requests of many.

    Args:
        rounds: How often either is measured, in turns.
    """
    rounds, requests, asking, pause = (1, SMOKE_REQUESTS, 1, SMOKE_PAUSE) if smoke else (rounds, REQUESTS, CLIENTS, 0.0)
    events, days, workers = (10_000, SMOKE_DAYS, 1) if smoke else (100_000, DAYS, 2)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="genrec-rollback-")))
        report("training a version")
        installation = Installation.made(folder, events, days, workers)
        first, second, third = installation.three_versions()
        installation.served_before(first, second)
        stack.callback(installation.genrec, "down")
        ui = stack.enter_context(_ui(installation))
        outs = RollOuts(installation)
        stack.callback(outs.close)
        outs.promote(third)
        training = stack.enter_context(_training(ui))
        clients = stack.enter_context(Clients(installation.url, asking, pause))
        report("a training is on its way, and clients ask")
        seconds: dict[str, list[float]] = {"command": [], "ui": []}
        spans: list[Span] = []
        for number in range(rounds):
            if number:
                installation.served_before(second)
                spans.append(outs.promote(third))
            for by, before in (("command", second), ("ui", first)):
                began = time.time()
                seconds[by].append(_roll_back(installation, ui, by, before))
                spans.append((began, time.time()))
                _require_training(ui, training)
                told = f"{seconds[by][-1]:.1f} s until every replica answers with {before}"
                report(f"round {number + 1}, by {by}: {told}")
        while clients.sent_within(spans) < requests:
            spans += [outs.promote(version) for version in (second, first)]
        _require_training(ui, training)
        clients.stop()
    failed = clients.failed_within(spans)
    report(
        f"{clients.sent_within(spans)} requests during {len(spans)} roll-outs, {failed} failed {clients.failures[:3]}"
    )
    return {
        **{f"{by}_s": statistics.median(taken) for by, taken in seconds.items()},
        **{f"{by}_max_s": max(taken) for by, taken in seconds.items()},
        "roll_outs": len(spans),
        "requests": clients.sent_within(spans),
        "failed_requests": failed,
    }


def _roll_back(installation: Installation, ui: UserInterface, by: str, before: str) -> float:
    """Seconds from the order until every replica answers with the version before."""
    began = time.monotonic()
    if by == "ui":
        run_id = ui.launch("rollback")
        installation.seconds_until_served(before)
        taken = time.monotonic() - began
        if ui.wait(run_id) != "SUCCESS":
            raise RuntimeError("the run `rollback` failed")
        return taken
    process = installation.start("-m", "orchestration.cli", "rollback")
    installation.seconds_until_served(before)
    taken = time.monotonic() - began
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"genrec rollback failed: {output}")
    return taken


@contextmanager
def _ui(installation: Installation) -> Iterator[UserInterface]:
    port = free_port()
    command = [sys.executable, "-m", "orchestration.cli", "ui", "--port", str(port)]
    with user_interface(command, port, installation.variables, installation.folder / "ui.log") as found:
        yield found


@contextmanager
def _training(ui: UserInterface) -> Iterator[str]:
    """A run of `hstu_model` as the button `Materialize` launches it: it has begun to learn, and ends with the block."""
    config = {"resources": {"training": {"config": {"optimisation": {"epochs": EPOCHS}}}}}
    run_id = ui.launch(assets=["hstu_model"], run_config=config)
    end = time.monotonic() + WAIT_SECONDS
    while not any(f"/{EPOCHS}: loss" in message for message in _messages(ui, run_id)):
        if time.monotonic() > end or ui.status(run_id) in ("FAILURE", "CANCELED"):
            raise RuntimeError(f"the training did not begin: {_messages(ui, run_id)[-3:]}")
        time.sleep(1)
    try:
        yield run_id
    finally:
        ui.ask(TERMINATE, {"id": run_id})
        ui.wait(run_id)


def _require_training(ui: UserInterface, run_id: str) -> None:
    """Raises:
    RuntimeError: it has ended, so that what was measured was not measured beside it.
    """
    if (status := ui.status(run_id)) != "STARTED":
        raise RuntimeError(f"the training did not go on, it is {status}: {_messages(ui, run_id)[-3:]}")


def _messages(ui: UserInterface, run_id: str) -> list[str]:
    found = ui.ask(LOGS, {"id": run_id})["logsForRun"]["events"]
    return [event["message"] for event in found if event.get("message")]
