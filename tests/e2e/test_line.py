"""The whole line as a user runs it: real commands, a real Ray head, a real Dagster instance, real HTTP.

The tests are in the order of the line and of the days that follow; each goes on where the one before it ended.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
import yaml

from assets.versions import list_sets
from models.manifest import list_versions
from orchestration.processes import Process
from serving.ports import free_port
from storage.literal_paths import scan_parquet
from storage.schema import MODALITIES
from storage.sequence_store import scan_sequences
from storage.tables import scan_table
from tests.private import open_to_others

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

FIRST = date(2026, 1, 1)
LAST = FIRST + timedelta(days=5)
YESTERDAY = LAST - timedelta(days=1)

CONTENT = (*MODALITIES.values(), "content_embeddings")
DATA = ("raw_events", "raw_items", "items", "events", "sequences", "data_report")

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
    refresh = definitions.resolve_job_def("refresh")
    assert refresh.execute_in_process(partition_key=partition, instance=instance).success
    made = instance.get_latest_materialization_event(dg.AssetKey("new_item_vectors")).asset_materialization
    assert made.metadata["new_items"].value + made.metadata["left_out"].value > 0, made
    nightly = definitions.resolve_job_def("nightly")
    assert nightly.execute_in_process(partition_key=partition, instance=instance).success
"""
"""What the daemon does at 02:00 of the night after the last day: asks the schedule, runs what it requests. Before, new
items of that day go to the endpoint without training."""


def selection(assets: Sequence[str]) -> str:
    return " or ".join(f'key:"{asset}"' for asset in assets)


SIMPLE = ("popularity", "item_knn", "ials")


@dataclass
class Installation:
    """One home with one small profile, driven through `genrec`."""

    home: Path
    profile: Path
    port: int

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [str(Path(sys.executable).with_name("genrec")), *arguments]
        return subprocess.Popen(
            command,
            env=self._environment(),
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

    def stage(self, *assets: str) -> None:
        """Materializes assets of all days but the last."""
        self.run("materialize", "--days", f"{FIRST}:{YESTERDAY}", "--select", selection(assets))

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json"))
        return found

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10, trust_env=False)

    def ask(self, user: int) -> dict[str, Any]:
        with self.client() as client:
            answer: dict[str, Any] = client.post("/v1/recommendations", json={"user_id": user, "k": 5}).json()
        return answer

    def served(self) -> str:
        with self.client() as client:
            return str(client.get("/v1/status").json()["version"])

    def table(self, name: str) -> pl.DataFrame:
        return scan_table(str(self.home / "small" / "tables" / name)).collect()

    def landed(self, ledger: str) -> list[str]:
        return self.table(ledger)["source_file"].to_list()

    def versions(self, family: str = "hstu") -> list[str]:
        return list_versions(self.home / "small" / "artifacts" / family)

    def training_sets(self) -> list[str]:
        return list_sets(self.home / "small" / "training_sets")

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
        with self.installation.client() as client:
            # Some pause, for what is tested takes the same cores.
            while not self._stop.wait(0.1):
                try:
                    response = client.post("/v1/recommendations", json={"user_id": self.answers % 50 + 1, "k": 5})
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
                    "workers": 1,
                },
                "evaluation": {"leave_one_out_users": 20, "resamples": 100},
                # This test is about the way to the endpoint: whatever was trained last goes there.
                "release": {"margin": -1.0, "min_users": 1},
                "endpoint": {"port": port},
                "ray": {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 200},
            }
        )
    )
    made = Installation(folder / "My home ü [x] %20", profile, port)
    yield made
    made.run("down")


def test_raw_logs_are_found_and_listed_day_by_day(installation: Installation) -> None:
    installation.stage(*DATA, *CONTENT)
    for ledger in ("raw_events", "raw_items"):
        files = installation.table(ledger)
        assert files["day"].unique().sort().to_list() == pl.date_range(FIRST, YESTERDAY, eager=True).to_list()
        assert all(Path(file).is_file() for file in files["source_file"])


def test_every_row_is_an_event_or_an_item_or_quarantined_with_a_reason(installation: Installation) -> None:
    events, quarantine = installation.table("events"), installation.table("quarantine")
    assert set(quarantine["reason"].unique()) >= {"duplicate", "unknown_action", "unknown_item"}
    landed = sum(scan_parquet(file).collect().height for file in installation.landed("raw_events"))
    assert events.height + quarantine.filter(pl.col("origin") == "events").height == landed
    assert set(events["item_id"]) <= set(installation.table("items")["item_id"])


def test_events_become_one_sequence_a_user_oldest_first(installation: Installation) -> None:
    sequences, events = installation.sequences(), installation.table("events")
    assert sorted(sequences["user_id"]) == sorted(events["user_id"].unique())
    pairs = sequences.explode("item_ids", "timestamps").select("user_id", item_id="item_ids").unique()
    assert pairs.sort("user_id", "item_id").equals(
        events.select("user_id", "item_id").unique().sort("user_id", "item_id")
    )
    assert sequences.select((pl.col("timestamps").list.diff().list.min() >= pl.duration()).all()).item()


def test_every_item_has_its_content_vector(installation: Installation) -> None:
    content = installation.table("content_embeddings")
    assert set(content["item_id"]) == set(installation.table("items")["item_id"])
    assert content["vector"].list.len().n_unique() == 1


def test_a_version_is_trained_and_its_ablation_with_it(installation: Installation) -> None:
    installation.stage("training_set", "hstu_model", "hstu_without_content", "simple_models", "blended_model")
    (training_set,) = installation.training_sets()
    (version,) = installation.versions()
    artifact = installation.home / "small" / "artifacts" / "hstu" / version
    assert json.loads((artifact / "manifest.json").read_text())["training_set"] == training_set
    ablation = installation.home / "small" / "ablations" / "hstu" / version
    assert (ablation / "model.safetensors").is_file()
    assert [len(installation.versions(family)) for family in SIMPLE] == [1, 1, 1]


def test_the_evaluation_compares_all_scorers(installation: Installation) -> None:
    installation.stage("evaluation", "release", "endpoint")
    (version,) = installation.versions()
    report = json.loads((installation.home / "small" / "artifacts" / "hstu" / version / "evaluation.json").read_text())
    scorers = report["protocols"][report["primary_protocol"]]["scorers"]
    # Whether there is a blend is for the data to say.
    assert set(scorers) - {"blend"} == {"hstu", "hstu_without_content", *SIMPLE, "oracle"}


def test_the_first_version_is_released_and_answers(installation: Installation) -> None:
    made = {version: family for family in ("hstu", "blend", *SIMPLE) for version in installation.versions(family)}
    status = installation.status()
    assert status["profile"] == "small"
    assert status["endpoint"] == f"http://127.0.0.1:{installation.port}"
    champion = status["champion"]
    assert champion in made
    assert champion == installation.served()
    for scorer in ("hstu", "hstu_without_content", *SIMPLE, "oracle"):
        assert set(status["metrics"][scorer]["ndcg@10"]) >= {"mean", "low", "high"}
        assert "ndcg@10" in status["metrics"][scorer]["cold"]
    assert {"events", "hstu_model", "endpoint"} <= set(status["seconds"])

    history = installation.sequences().explode("item_ids", "actions")
    user, clicked = history.filter(pl.col("actions") & 0b100 != 0).group_by("user_id").agg("item_ids").row(0)
    answer = installation.ask(user)
    source = "popularity" if made[champion] == "popularity" else "model"
    assert (answer["source"], answer["version"], len(answer["items"])) == (source, champion, 5)
    assert not {item["item_id"] for item in answer["items"]} & set(clicked)
    assert installation.ask(987_654_321)["source"] == "popularity"


def test_a_new_day_replaces_the_champion_under_load(installation: Installation) -> None:
    before, first = installation.table("events"), installation.served()
    there = {version for family in ("hstu", "blend", *SIMPLE) for version in installation.versions(family)}
    with Load(installation) as load:
        installation.python(NIGHT)
    assert load.failures == []
    assert load.answers > 50
    after = installation.table("events")
    assert after.filter(pl.col("day") != LAST).sort("day", "arrival").equals(before.sort("day", "arrival"))
    assert after.filter(pl.col("day") == LAST).height > 500
    assert installation.status()["champion"] == installation.served() not in {first, *there}


def test_rollback_puts_the_first_back(installation: Installation) -> None:
    first = installation.table("release_log").filter(pl.col("action") == "promote").sort("at")["version"][0]
    installation.run("rollback", "--reason", "the test says so")
    assert installation.served() == first
    assert installation.table("release_log").sort("at")["action"].to_list()[-1] == "rollback"


def test_a_killed_run_leaves_nothing_half_written(installation: Installation) -> None:
    artifacts = installation.home / "small" / "artifacts" / "hstu"
    there = set(artifacts.iterdir())
    of_last_day = ("materialize", "--days", str(LAST), "--select", selection((*DATA, "training_set", "hstu_model")))
    process = installation.start(*of_last_day)
    assert process.stdout
    for line in process.stdout:
        if "epoch 1/" in line:
            break
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert set(artifacts.iterdir()) == there
    events = installation.table("events").sort("day", "arrival")
    installation.run(*of_last_day)
    assert installation.table("events").sort("day", "arrival").equals(events)
    assert len(set(artifacts.iterdir()) - there) == 1
    assert installation.status()["champion"] == installation.served()


def test_down_leaves_no_process(installation: Installation) -> None:
    head = installation.head()
    assert head.session()
    installation.run("down")
    deadline = time.monotonic() + 10
    while head.session() and time.monotonic() < deadline:
        time.sleep(0.2)
    assert head.session() == []


def test_what_was_written_is_for_its_user_alone(installation: Installation) -> None:
    assert not open_to_others(installation.home)
