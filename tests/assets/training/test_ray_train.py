"""Training by Ray Train: inline, and on a real cluster that loses a worker."""

import json
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import torch
import yaml

from assets.ray_cluster import NICENESS
from assets.splits.split import SplitRule, split
from assets.training.dataset import read_dataset, write_training_set
from assets.training.progress import Entry, Progress, Step, read_progress
from assets.training.ray_train import (
    TrainingFailed,
    TrainingJob,
    kept_epoch,
    new_model,
    setbacks_of,
    train,
    trained_model,
)
from models.artifact import save_artifact
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ModelConfig
from models.config.training import TrainingConfig
from models.manifest import Manifest
from orchestration import environment, local_stack
from orchestration.profile import load_profile
from serving.ports import free_port
from storage.schema import TIME
from tests.interaction_logs import log_of

START = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = ModelConfig(width=16, max_length=8, backbone=HstuConfig(layers=1, heads=1, head_dim=16))
TRAINING = TrainingConfig(
    epochs=4, batch_size=32, learning_rate=5e-3, loss=SampledSoftmaxConfig(negatives=32, shared=True)
)
TEST_RUN = "GENREC_TEST_RUN"


@pytest.fixture
def dataset(tmp_path: Path) -> str:
    walks = [[(7 * user + 3 * step) % 30 for step in range(8)] for user in range(96)]
    training = pl.DataFrame(
        {
            "user_id": range(96),
            "item_ids": walks,
            "timestamps": [[START + timedelta(minutes=step) for step in range(8)]] * 96,
        },
        schema={"user_id": pl.Int64, "item_ids": pl.List(pl.Int64), "timestamps": pl.List(TIME)},
    )
    made = write_training_set(
        tmp_path / "dataset",
        split(
            log_of(training, catalogue=pl.Series(range(30))),
            SplitRule(START + timedelta(days=1), timedelta(days=1), 1, leave_one_out_users=0),
        ),
        pl.DataFrame({"item_id": range(30)}).with_columns(day=pl.lit(START.date())),
        None,
        half_life_days=7,
        cold_start=timedelta(0),
        validation_users=10,
        seed=0,
    )
    return str(made)


@dataclass(frozen=True)
class Head:
    """A Ray head that outlives the drivers which attach to it, as that of `genrec up` does."""

    environment: dict[str, str]
    address: str

    def driver(self, code: str, work: TrainingJob) -> "subprocess.Popen[str]":
        """A process that attaches, runs `code` on the job `work` and prints an entry a line."""
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-u", "-c", DRIVER + textwrap.indent(code, "    ")],
            env={**self.environment, "TEST_JOB": json.dumps(work.as_json()), "TEST_ADDRESS": self.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )


DRIVER = """
import json, os
from dataclasses import replace
from assets.ray_cluster import attached
from assets.training.ray_train import TrainingJob, train
from assets.training.settings import SearchSettings
from assets.training.tune import search

work = TrainingJob.read(json.loads(os.environ["TEST_JOB"]))
with attached(os.environ["TEST_ADDRESS"]):
"""
TRAIN = "train(work, lambda entry: print('told', entry.epoch))"
AND_ANOTHER = "train(replace(work, folder={folder!r}))"
SEARCH = """
settings = SearchSettings(trials=2, concurrent=2, epochs=2, grace_epochs=2)
result = search(work, settings, lambda trial, entry: print("told", trial, type(entry).__name__))
print("trials", result.trials["epochs"].to_list())
"""


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    folder = tmp_path_factory.mktemp("head")
    path = folder / "shop.yaml"
    ports = {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 100}
    content = {"first_day": "2026-01-01", "source": {"kind": "demo_world"}, "training": {"positive_actions": ["click"]}}
    path.write_text(yaml.safe_dump({**content, "ray": ports}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(environment.HOME_VARIABLE, str(folder / "home"))
        patch.setenv(TEST_RUN, uuid.uuid4().hex)
        profile = load_profile(str(path))
        local_stack.up(profile)
        yield Head(environment.child_environment(profile), profile.ray.gcs_address)
        local_stack.down()


def job(
    dataset: str, folder: Path, workers: int, training: TrainingConfig = TRAINING, failures: int = 0
) -> TrainingJob:
    return TrainingJob(dataset, str(folder), MODEL, training, workers=workers, max_failures=failures)


def weights(finished: TrainingJob) -> dict[str, torch.Tensor]:
    data = read_dataset(Path(finished.dataset))
    return trained_model(finished, data).state_dict()


def test_inline_training_reports_every_epoch_and_leaves_its_state(dataset: str, tmp_path: Path) -> None:
    seen: list[Entry] = []
    finished = job(dataset, tmp_path / "run", workers=0)
    curve = train(finished, seen.append)
    assert [point.epoch for point in seen] == [1, 2, 3, 4]
    assert curve == seen
    assert curve[-1].loss < curve[0].loss
    assert all(torch.isfinite(value).all() for value in weights(finished).values())


def test_a_run_that_cannot_start_says_why(dataset: str, tmp_path: Path) -> None:
    wide = MODEL.model_copy(update={"items": MODEL.items.model_copy(update={"content_dim": 5})})
    broken = TrainingJob(dataset, str(tmp_path / "run"), wide, TRAINING, workers=0)
    with pytest.raises(TrainingFailed, match="content embeddings are 0 wide, but the model is configured for 5"):
        train(broken)


def test_an_epoch_is_told_of_while_it_goes_on(dataset: str, tmp_path: Path) -> None:
    told: list[Entry] = []
    quick = replace(job(dataset, tmp_path / "run", workers=0), step_seconds=0.0)
    curve = train(quick, told.append)
    steps = [(entry.epoch, entry.step, entry.steps) for entry in told if isinstance(entry, Step)]
    assert steps == [(epoch, step, 3) for epoch in range(1, 5) for step in range(1, 4)]
    assert [entry for entry in told if isinstance(entry, Progress)] == curve
    assert str(told[0]).startswith("epoch 1/4, step 1/3: loss ")
    silent = job(dataset, tmp_path / "silent", workers=0)
    train(silent)
    assert_equal(weights(quick), weights(silent))


def interrupt_at(epoch: int) -> Callable[[Entry], None]:
    """Interrupts this process once, as Ctrl-C and the UI's button do, when training tells of `epoch`."""
    sent: list[Entry] = []

    def told(entry: Entry) -> None:
        if entry.epoch >= epoch and not sent:
            sent.append(entry)
            os.kill(os.getpid(), signal.SIGINT)

    return told


def test_a_loss_that_does_not_move_says_so_after_enough_steps(dataset: str, tmp_path: Path) -> None:
    longer = TRAINING.model_copy(update={"epochs": 3, "batch_size": 2})
    learns = train(job(dataset, tmp_path / "learns", workers=0, training=longer))
    assert [(point.steps >= 40, point.standstill) for point in learns] == [(True, None)] * 3
    assert learns[-1].guess == pytest.approx(math.log(1 + 32))
    still = train(
        job(dataset, tmp_path / "still", workers=0, training=longer.model_copy(update={"learning_rate": 1e-12}))
    )
    assert still[0].steps < 100
    assert still[0].standstill is None
    assert str(still[-1].standstill).startswith("the loss does not move: it is ")
    assert f"after {3 * still[-1].steps} steps, and that of a guess 3.497" in str(still[-1].standstill)


def test_training_that_was_cancelled_goes_on_where_it_was(dataset: str, tmp_path: Path) -> None:
    longer = TRAINING.model_copy(update={"epochs": 60})
    cancelled = job(dataset, tmp_path / "cancelled", workers=0, training=longer)
    with pytest.raises(KeyboardInterrupt):
        train(cancelled, interrupt_at(3))
    done = [point.epoch for point in read_progress(tmp_path / "cancelled")]
    assert 3 <= len(done) < 60

    again: list[Entry] = []
    curve = train(cancelled, again.append)
    assert again[0].epoch in (len(done), len(done) + 1)
    assert [point.epoch for point in curve] == list(range(1, 61))
    uninterrupted = job(dataset, tmp_path / "uninterrupted", workers=0, training=longer)
    assert [point.loss for point in train(uninterrupted)] == [point.loss for point in curve]
    assert_equal(weights(uninterrupted), weights(cancelled))


def test_training_ends_where_it_gains_no_more_and_keeps_its_best_epoch(dataset: str, tmp_path: Path) -> None:
    patient = TRAINING.model_copy(update={"epochs": 60, "patience": 3})
    stopping = job(dataset, tmp_path / "stopping", workers=0, training=patient)
    curve = train(stopping)
    values = [point.validation["ndcg_at_10"] for point in curve]
    kept = kept_epoch(stopping, curve)
    assert values.index(max(values)) + 1 == len(curve) - 3 < 57
    assert kept.validation["ndcg_at_10"] == max(values)
    as_long = job(dataset, tmp_path / "as long", workers=0, training=patient.model_copy(update={"epochs": kept.epoch}))
    train(as_long)
    assert_equal(weights(stopping), weights(as_long))
    assert train(stopping) == curve, "a run that had stopped goes on"


@pytest.mark.cluster
def test_neither_a_lost_worker_nor_a_cancelled_run_changes_anything(dataset: str, tmp_path: Path, head: Head) -> None:
    longer = TRAINING.model_copy(update={"epochs": 120, "patience": 110})
    disturbed, undisturbed = (
        job(dataset, tmp_path / name, workers=2, training=longer, failures=2) for name in ("disturbed", "undisturbed")
    )
    with head.driver(TRAIN, disturbed) as driver:
        wait_for_epoch(driver, 2)
        assert all(NICENESS in priorities(pid) for pid in worker_pids()), "requests would wait for training"
        os.kill(worker_pids()[0], signal.SIGKILL)
        # The other worker may end the epoch that it is in, and no other.
        wait_for_epoch(driver, len(read_progress(tmp_path / "disturbed")) + 2)
        driver.send_signal(signal.SIGINT)
        _, errors = driver.communicate(timeout=60)
    assert driver.returncode != 0
    assert "KeyboardInterrupt" in errors
    end = time.monotonic() + 20
    while worker_pids():
        assert time.monotonic() < end, "the workers go on after the run was cancelled"
        time.sleep(0.1)
    done = len(read_progress(tmp_path / "disturbed"))
    assert done < 120
    with head.driver(f"{TRAIN}\n{AND_ANOTHER.format(folder=undisturbed.folder)}", disturbed) as driver:
        output, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    assert f"told {done - 1}\n" not in output, "it began anew"
    assert f"told {done + 2}\n" in output
    for work in (disturbed, undisturbed):
        assert [point.epoch for point in read_progress(Path(work.folder))] == list(range(1, 121))
    assert_equal(weights(undisturbed), weights(disturbed))


@pytest.mark.cluster
def test_workers_start_from_the_version_that_a_job_names(dataset: str, tmp_path: Path, head: Head) -> None:
    before = job(dataset, tmp_path / "before", workers=0)
    train(before)
    data = read_dataset(Path(dataset))
    manifest = Manifest(version="v1", created=START, cutoff=START, data_end=START, positive_actions=["view"])
    parent = save_artifact(tmp_path / "versions", manifest, trained_model(before, data), data.vocabulary)
    hardly = TRAINING.model_copy(update={"epochs": 1, "learning_rate": 1e-12})
    started = replace(job(dataset, tmp_path / "started", workers=2, training=hardly), start=str(parent))
    with head.driver(TRAIN, started) as driver:
        _, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    untrained = new_model(before, data).state_dict()
    for name, weight in weights(started).items():
        torch.testing.assert_close(weight, weights(before)[name], atol=1e-7, rtol=0)
        assert not torch.equal(weight, untrained[name]) or name.endswith("bias")


@pytest.mark.cluster
def test_workers_that_diverge_all_go_back_and_end_with_what_was_good(dataset: str, tmp_path: Path, head: Head) -> None:
    good = job(dataset, tmp_path / "run", workers=0, training=TRAINING.model_copy(update={"epochs": 2}))
    train(good)
    before = weights(good)
    wild = TRAINING.model_copy(update={"learning_rate": 1e4, "gradient_compression": "bf16"})
    diverging = job(dataset, tmp_path / "run", workers=2, training=wild)
    with head.driver(TRAIN, diverging) as driver:
        _, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    assert [setback.learning_rate for setback in setbacks_of(diverging)] == [5e3, 2.5e3, 1.25e3, None]
    assert [point.epoch for point in read_progress(tmp_path / "run")] == [1, 2]
    assert_equal(weights(diverging), before)


@pytest.mark.cluster
def test_a_search_tells_of_its_trials(dataset: str, tmp_path: Path, head: Head) -> None:
    work = job(dataset, tmp_path / "search", workers=0, training=TRAINING.model_copy(update={"epochs": 2}))
    with head.driver(SEARCH, replace(work, step_seconds=0.0)) as driver:
        output, errors = driver.communicate(timeout=200)
    assert driver.returncode == 0, errors
    assert "trials [2, 2]" in output
    told = [line.split()[1:] for line in output.splitlines() if line.startswith("told ")]
    assert len({trial for trial, _ in told}) == 2
    assert [kind for _, kind in told].count("Progress") == 4
    assert [kind for _, kind in told].count("Step") == 2 * 2 * 3


def wait_for_epoch(driver: "subprocess.Popen[str]", epoch: int) -> None:
    assert driver.stdout
    for line in driver.stdout:
        if line.startswith("told ") and int(line.split()[1]) >= epoch:
            return
    raise AssertionError(driver.communicate()[1])


def assert_equal(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> None:
    for name, value in ours.items():
        assert torch.equal(value, theirs[name]), name


def priorities(pid: int) -> set[int]:
    """The niceness of a process's threads."""
    return {os.getpriority(os.PRIO_PROCESS, int(thread.name)) for thread in Path(f"/proc/{pid}/task").iterdir()}


def worker_pids() -> list[int]:
    """The train workers of the cluster that this test started: their environment carries the test's mark."""
    mark, found = f"{TEST_RUN}={os.environ[TEST_RUN]}".encode(), []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"RayTrainWorker" in (folder / "cmdline").read_bytes() and mark in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found
