"""The whole line as a user runs it: real commands, a real Ray head, a real Dagster instance, real HTTP."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import httpx
import polars as pl
import pytest
import yaml

from orchestration.processes import Process
from serving.ports import free_port
from storage.sequence_store import scan_sequences
from storage.tables import scan_table
from tests.private import open_to_others

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

FIRST = date(2026, 1, 1)
LAST = FIRST + timedelta(days=5)

NIGHT = f"""
import dagster as dg
from datetime import UTC, datetime, time, timedelta
from orchestration.definitions import defs

definitions = defs()
night = datetime.combine(datetime.fromisoformat("{LAST}") + timedelta(days=1), time(2), UTC)
tick = definitions.get_schedule_def("nightly").evaluate_tick(dg.build_schedule_context(scheduled_execution_time=night))
(request,) = tick.run_requests
partition = request.partition_key or request.tags["dagster/partition"]
assert partition == "{LAST}", request
with dg.DagsterInstance.get() as instance:
    nightly = definitions.resolve_job_def("nightly")
    assert nightly.execute_in_process(partition_key=partition, instance=instance).success
"""
"""What the daemon does at 02:00 of the night after the last day: asks the schedule, runs what it requests."""


@dataclass
class Installation:
    """One home with one small profile, driven through `genrec`."""

    home: Path
    profile: Path
    port: int

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
        environment = {**clean, "GENREC_HOME": str(self.home), "GENREC_PROFILE": str(self.profile)}
        command = [str(Path(sys.executable).with_name("genrec")), *arguments]
        return subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _environment(self) -> dict[str, str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
        return {**clean, "GENREC_HOME": str(self.home), "GENREC_PROFILE": str(self.profile)}

    def run(self, *arguments: str) -> str:
        process = self.start(*arguments)
        output, _ = process.communicate()
        assert process.returncode == 0, output
        return output

    def python(self, code: str) -> None:
        finished = subprocess.run(
            [sys.executable, "-c", code], env=self._environment(), capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stdout + finished.stderr

    def status(self) -> dict:  # type: ignore[type-arg]
        return json.loads(self.run("status", "--json"))

    def ask(self, user: int) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{self.port}/v1/recommendations", json={"user_id": user, "k": 5}, timeout=10
        )

    def served(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.port}/v1/status", timeout=10).json()["version"]

    def table(self, name: str) -> pl.DataFrame:
        return scan_table(str(self.home / "small" / "tables" / name)).collect()

    def sequences(self) -> pl.DataFrame:
        return scan_sequences(str(self.home / "small")).collect()

    def head(self) -> Process:
        record = json.loads((self.home / "ray" / "head.json").read_text())
        return Process(**record["process"])


@dataclass
class Load:
    """Keeps asking the endpoint from another thread and counts what fails."""

    installation: Installation
    answers: int = 0
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Load":
        self._thread = threading.Thread(target=self._ask)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._stop.wait(0.02):
            try:
                response = self.installation.ask(self.answers % 50 + 1)
                if response.status_code != 200:
                    self.failures.append(f"{response.status_code} {response.text}")
            except httpx.HTTPError as error:
                self.failures.append(repr(error))
            self.answers += 1


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("line")
    port = free_port()
    profile = folder / "small.yaml"
    profile.write_text(
        yaml.safe_dump(
            {
                "first_day": FIRST.isoformat(),
                "last_day": (LAST + timedelta(days=1)).isoformat(),
                "id_type": "int64",
                "source": {"kind": "demo_world", "events": 10_000, "dirt": 0.02},
                "content": {"image": {"adapt": {"epochs": 1}}},
                "training": {
                    "positive_actions": ["click"],
                    "model": {"width": 16, "max_length": 16, "backbone": {"layers": 1, "heads": 1, "head_dim": 16}},
                    "optimisation": {"epochs": 3, "loss": {"negatives": 64, "shared": True}},
                    "validation_users": 20,
                },
                "evaluation": {"leave_one_out_users": 20, "resamples": 100},
                # This test is about the way to the endpoint: whatever was trained last goes there.
                "release": {"margin": -1.0, "must_beat_popularity": False},
                "endpoint": {"port": port},
                "ray": {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 200},
            }
        )
    )
    made = Installation(folder / "My home ü [x] %20", profile, port)
    yield made
    made.run("down")


def test_the_line(installation: Installation) -> None:
    yesterday = LAST - timedelta(days=1)
    installation.run("materialize", "--days", f"{FIRST}:{yesterday}")
    first = _raw_logs_reach_the_endpoint(installation)
    second = _a_new_day_replaces_the_champion_under_load(installation)
    assert first != second
    _rollback_puts_the_first_back(installation, first)
    _a_killed_run_leaves_nothing_half_written(installation)
    _down_leaves_no_process(installation)
    assert not open_to_others(installation.home)


def _raw_logs_reach_the_endpoint(installation: Installation) -> str:
    status = installation.status()
    assert status["profile"] == "small"
    assert status["endpoint"] == f"http://127.0.0.1:{installation.port}"
    assert status["champion"] == installation.served()
    for scorer in ("hstu", "hstu_without_content", "popularity", "item_knn", "oracle"):
        assert set(status["metrics"][scorer]["ndcg@10"]) >= {"mean", "low", "high"}
        assert "ndcg@10" in status["metrics"][scorer]["cold"]
    assert {"events", "hstu_model", "endpoint"} <= set(status["seconds"])

    history = installation.sequences().explode("item_ids", "actions")
    user, clicked = history.filter(pl.col("actions") & 0b100 != 0).group_by("user_id").agg("item_ids").row(0)
    answer = installation.ask(user).json()
    assert (answer["source"], answer["version"], len(answer["items"])) == ("model", status["champion"], 5)
    assert not {item["item_id"] for item in answer["items"]} & set(clicked)
    assert installation.ask(987_654_321).json()["source"] == "popularity"
    assert set(installation.table("quarantine")["reason"].unique()) >= {"duplicate", "unknown_action", "unknown_item"}
    return str(status["champion"])


def _a_new_day_replaces_the_champion_under_load(installation: Installation) -> str:
    before = installation.table("events")
    with Load(installation) as load:
        installation.python(NIGHT)
    assert load.failures == []
    assert load.answers > 50
    after = installation.table("events")
    assert after.filter(pl.col("day") != LAST).sort("day", "arrival").equals(before.sort("day", "arrival"))
    assert after.filter(pl.col("day") == LAST).height > 500
    assert installation.status()["champion"] == installation.served()
    return installation.served()


def _rollback_puts_the_first_back(installation: Installation, first: str) -> None:
    installation.run("rollback", "--reason", "the test says so")
    assert installation.served() == first
    assert installation.table("releases_hstu").sort("at")["action"].to_list()[-1] == "rollback"


def _a_killed_run_leaves_nothing_half_written(installation: Installation) -> None:
    versions = {path.name for path in (installation.home / "small" / "artifacts" / "hstu").iterdir()}
    process = installation.start("materialize", "--days", str(LAST))
    assert process.stdout
    for line in process.stdout:
        if "epoch 1/" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert {path.name for path in (installation.home / "small" / "artifacts" / "hstu").iterdir()} == versions
    events = installation.table("events").sort("day", "arrival")
    installation.run("materialize", "--days", str(LAST))
    assert installation.table("events").sort("day", "arrival").equals(events)
    assert installation.status()["champion"] == installation.served()


def _down_leaves_no_process(installation: Installation) -> None:
    head = installation.head()
    assert head.session()
    installation.run("down")
    deadline = time.monotonic() + 10
    while head.session() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert head.session() == []
