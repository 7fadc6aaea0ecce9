"""Training by Ray Train: inline, and on a real cluster that loses a worker."""

import os
import signal
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import torch

from assets.schema import TIME
from assets.training.dataset import make_dataset, read_dataset, write_dataset
from assets.training.ray_train import Progress, TrainingFailed, TrainingJob, train, trained_recommender
from models.config import HstuConfig, ModelConfig, SampledSoftmaxConfig, TrainingConfig
from orchestration.environment import FIXED

START = datetime(2026, 1, 1, tzinfo=UTC)
MODEL = ModelConfig(width=16, max_length=8, backbone=HstuConfig(layers=1, heads=1, head_dim=16))
TRAINING = TrainingConfig(
    epochs=4, batch_size=32, learning_rate=5e-3, loss=SampledSoftmaxConfig(negatives=32, shared=True)
)
TEST_RUN = "GENREC_TEST_RUN"
HEALTH_CHECK = "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S"


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
    made = make_dataset(
        training,
        pl.DataFrame({"item_id": range(30)}).with_columns(day=pl.lit(START.date())),
        None,
        cutoff=START + timedelta(days=1),
        half_life_days=7,
        cold_start=timedelta(0),
        validation_users=10,
        seed=0,
    )
    return str(write_dataset(made, tmp_path / "dataset"))


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    import ray

    monkeypatch.setenv(TEST_RUN, uuid.uuid4().hex)
    monkeypatch.setenv(HEALTH_CHECK, FIXED[HEALTH_CHECK])
    ray.init(address="local", num_cpus=4, log_to_driver=False)
    yield
    ray.shutdown()


def job(
    dataset: str, folder: Path, workers: int, training: TrainingConfig = TRAINING, failures: int = 0
) -> TrainingJob:
    return TrainingJob(dataset, str(folder), MODEL, training, workers=workers, max_failures=failures)


def weights(finished: TrainingJob) -> dict[str, torch.Tensor]:
    data = read_dataset(Path(finished.dataset))
    return trained_recommender(finished, data.vocabulary.trained, data.content).state_dict()


def test_inline_training_reports_every_epoch_and_leaves_its_state(dataset: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
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


@pytest.mark.cluster
@pytest.mark.usefixtures("cluster")
def test_a_lost_worker_changes_nothing(dataset: str, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_a_worker_once(progress: Progress) -> None:
        if progress.epoch >= 2 and not killed:
            killed.append(worker_pid())
            os.kill(killed[0], signal.SIGKILL)

    longer = TRAINING.model_copy(update={"epochs": 40})
    disturbed = job(dataset, tmp_path / "disturbed", workers=2, training=longer, failures=2)
    curve = train(disturbed, kill_a_worker_once)
    assert killed
    assert [point.epoch for point in curve] == list(range(1, 41))

    undisturbed = job(dataset, tmp_path / "undisturbed", workers=2, training=longer)
    train(undisturbed)
    for name, value in weights(undisturbed).items():
        assert torch.equal(value, weights(disturbed)[name]), name


def worker_pid() -> int:
    """A train worker of the cluster that this test started: its environment carries the test's mark."""
    mark = f"{TEST_RUN}={os.environ[TEST_RUN]}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"RayTrainWorker" in (folder / "cmdline").read_bytes() and mark in (folder / "environ").read_bytes():
                return int(folder.name)
        except OSError:
            continue
    raise AssertionError("no train worker is running")
