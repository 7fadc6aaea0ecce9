"""Distributed training: a TorchTrainer around `models.training.fit`.

A run is described by values and folders only, so the same job runs inline (no cluster), on the attached cluster, or
from any process that sees the folders.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

from models.config import ModelConfig, TrainingConfig

PROGRESS = "progress.jsonl"
FINAL = "final"


@dataclass(frozen=True)
class TrainingJob:
    """One training run.

    Attributes:
        dataset: Folder written by `assets.training.dataset.write_dataset`.
        folder: Folder of this run: progress, checkpoints, and at the end the final state.
        workers: Ray Train workers; 0 trains in this process, without a cluster.
    """

    dataset: str
    folder: str
    model: ModelConfig
    training: TrainingConfig
    workers: int
    use_gpu: bool = False
    threads_per_worker: int = 1
    max_failures: int = 0


@dataclass(frozen=True)
class Progress:
    """One epoch as rank 0 saw it.

    `ndcg_at_10` is on held-out last interactions; `sparsity` and `tokens_kept` say what Stochastic Length left
    (`models.training.EpochReport`).
    """

    epoch: int
    epochs: int
    loss: float
    ndcg_at_10: float
    tokens_per_second: float
    seconds_left: float
    sparsity: float
    tokens_kept: float


class TrainingFailed(RuntimeError):
    """Training ended without a model."""


def train(job: TrainingJob, on_progress: Callable[[Progress], None] = lambda progress: None) -> list[Progress]:
    """Trains, reporting each epoch as it ends; the final state lies in `job.folder/final`.

    The caller must be attached to the Ray cluster already unless `job.workers` is 0.

    Raises:
        TrainingFailed: a worker failed more often than `job.max_failures`, or raised.
    """
    from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    trainer = TorchTrainer(
        train_loop,
        train_loop_config=_to_json(job),
        torch_config=TorchConfig(backend="nccl" if job.use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=job.workers, use_gpu=job.use_gpu),
        run_config=RunConfig(
            name="checkpoints",
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=job.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=2),
        ),
    )
    with _following(folder / PROGRESS, on_progress):
        try:
            trainer.fit()
        except Exception as error:
            raise TrainingFailed(f"training in {folder} failed: {_last_line(error)}") from error
    return read_progress(folder)


def train_loop(config: dict[str, Any]) -> None:
    """What every worker runs."""
    import ray.train
    import ray.train.torch
    import torch

    from assets.training.dataset import read_dataset
    from models.checkpoint import save_checkpoint
    from models.training import EpochReport, Worker, fit

    job = _from_json(config)
    if job.workers:
        torch.set_num_threads(job.threads_per_worker)
    dataset = read_dataset(Path(job.dataset))
    context = ray.train.get_context()
    rank = context.get_world_rank()
    recommender = new_recommender(job, dataset.vocabulary.trained, dataset.content)

    def on_epoch(report: EpochReport, task: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        metrics: dict[str, Any] = {"epoch": report.epoch, "loss": report.loss}
        if rank != 0:
            ray.train.report(metrics)
            return
        progress = _progress(report, validation_ndcg(recommender, dataset), context.get_world_size())
        with tempfile.TemporaryDirectory() as temporary:
            save_checkpoint(Path(temporary), task, optimizer, report.epoch)
            ray.train.report(asdict(progress), checkpoint=ray.train.Checkpoint.from_directory(temporary))
        _write_progress(Path(job.folder) / PROGRESS, progress)
        if report.epoch == report.epochs:
            save_checkpoint(Path(job.folder) / FINAL, task, optimizer, report.epoch)

    worker = Worker(
        rank=rank,
        world_size=context.get_world_size(),
        wrap=ray.train.torch.prepare_model,
        device=str(ray.train.torch.get_device()),
    )
    latest = ray.train.get_checkpoint()
    if latest is None:
        fit(recommender, dataset.histories, job.training, worker, on_epoch)
        return
    with latest.as_directory() as folder:
        fit(recommender, dataset.histories, job.training, worker, on_epoch, resume_from=Path(folder))


def new_recommender(job: TrainingJob, trained: int, content: Any) -> Any:
    """The untrained model of `job`, the same in every process."""
    import torch

    from models.recommender import Recommender

    torch.manual_seed(job.training.seed)
    matrix = torch.from_numpy(content[:].copy()) if job.model.items.content_dim else None
    return Recommender(job.model, trained, matrix)


def trained_recommender(job: TrainingJob, trained: int, content: Any) -> Any:
    """The model that a finished `job` left in its folder."""
    import torch

    from models.checkpoint import load_checkpoint
    from models.objectives.next_item import NextItem

    recommender = new_recommender(job, trained, content)
    task = NextItem(recommender, job.training.loss)
    load_checkpoint(Path(job.folder) / FINAL, task, torch.optim.AdamW(task.parameters()))
    return recommender.eval()


def validation_ndcg(recommender: Any, dataset: Any) -> float:
    """NDCG@10 of the held-out last interactions, items of the history excluded."""
    import torch

    from models.evaluation.next_item_ndcg import next_item_ndcg

    with torch.inference_mode():
        return next_item_ndcg(
            recommender, dataset.validation, dataset.validation_targets, dataset.validation_times, k=10
        )


def read_progress(folder: Path) -> list[Progress]:
    """The epochs of a run, each once: after a restart the later line of an epoch counts."""
    path = folder / PROGRESS
    lines = path.read_text().splitlines() if path.exists() else []
    by_epoch = {progress.epoch: progress for progress in (Progress(**json.loads(line)) for line in lines)}
    return [by_epoch[epoch] for epoch in sorted(by_epoch)]


def _progress(report: Any, ndcg: float, workers: int) -> Progress:
    return Progress(
        epoch=report.epoch,
        epochs=report.epochs,
        loss=report.loss,
        ndcg_at_10=ndcg,
        tokens_per_second=report.tokens * workers / report.seconds,
        seconds_left=report.seconds * (report.epochs - report.epoch),
        sparsity=report.sparsity,
        tokens_kept=report.tokens_kept,
    )


def _write_progress(path: Path, progress: Progress) -> None:
    with path.open("a") as file:
        file.write(json.dumps(asdict(progress)) + "\n")


class _following:
    """Calls back for every line that rank 0 appends to the progress file while the block runs."""

    def __init__(self, path: Path, callback: Callable[[Progress], None]) -> None:
        self._path, self._callback = path, callback
        self._stop = Event()
        self._thread = Thread(target=self._follow, daemon=True)

    def __enter__(self) -> None:
        self._path.unlink(missing_ok=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _follow(self) -> None:
        seen = 0
        stopping = False
        while not stopping:
            stopping = self._stop.wait(0.5)
            lines = self._path.read_text().split("\n")[:-1] if self._path.exists() else []
            for line in lines[seen:]:
                self._callback(Progress(**json.loads(line)))
            seen = len(lines)


def _to_json(job: TrainingJob) -> dict[str, Any]:
    return {**vars(job), "model": job.model.model_dump(), "training": job.training.model_dump()}


def _from_json(config: dict[str, Any]) -> TrainingJob:
    return TrainingJob(
        **{
            **config,
            "model": ModelConfig.model_validate(config["model"]),
            "training": TrainingConfig.model_validate(config["training"]),
        }
    )


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
