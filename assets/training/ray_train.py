"""Distributed training: a TorchTrainer around `models.training.loop.fit`.

A run is described by values and folders only, so the same job runs inline (no cluster), on the attached cluster, or
from any process that sees the folders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from assets.ray_cluster import interruptible, yield_to_requests
from assets.training.journal import Following, note
from assets.training.progress import PROGRESS, Entry, Progress, entry_of, progress_of, read_progress, step_of
from assets.training.setbacks import OfRankZero, Setback, read_setbacks, train_through_setbacks
from models.config.model import TrainedConfig
from models.config.training import TrainingConfig
from models.families.registry import family_named, family_of
from models.manifest import VOCABULARY

if TYPE_CHECKING:
    from torch import Tensor

    from assets.training.dataset import Dataset
    from models.training.loop import Worker
    from models.vocabulary import Vocabulary


@dataclass(frozen=True)
class TrainingJob:
    """One training run.

    Attributes:
        dataset: Folder of a training set (`assets.training.dataset`).
        folder: Folder of this run, which every worker sees: progress and checkpoints.
        workers: Ray Train workers; 0 trains in this process, without a cluster.
        start: Folder of the version whose weights it starts from, which every worker sees; None: from scratch.
        pretrained: Folder of a version of another family whose weights of the same names it starts from; None: of none.
        step_seconds: How often steps within an epoch are told of.
    """

    dataset: str
    folder: str
    model: TrainedConfig
    training: TrainingConfig
    workers: int
    use_gpu: bool = False
    threads_per_worker: int = 1
    max_failures: int = 0
    start: str | None = None
    pretrained: str | None = None
    step_seconds: float = 5.0

    def as_json(self) -> dict[str, Any]:
        """What `read` reads: the job as values that JSON has."""
        model = {"family": self.model.family, "config": self.model.model_dump()}
        return {**vars(self), "model": model, "training": self.training.model_dump()}

    @classmethod
    def read(cls, told: dict[str, Any]) -> "TrainingJob":
        """The job that `as_json` told."""
        model = family_named(told["model"]["family"]).config.model_validate(told["model"]["config"])
        return cls(**{**told, "model": model, "training": TrainingConfig.model_validate(told["training"])})


class TrainingFailed(RuntimeError):
    """Training ended without a model."""


def train(job: TrainingJob, on_progress: Callable[[Entry], None] = lambda progress: None) -> list[Progress]:
    """Trains, telling of epochs and steps; `trained_model` reads what it leaves in `job.folder`.

    A job whose folder holds a checkpoint goes on from there, and ends as if it had never stopped. The caller must be
    attached to the Ray cluster already unless `job.workers` is 0.

    Raises:
        TrainingFailed: a worker failed more often than `job.max_failures`, or raised.
    """
    import torch
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.torch import TorchConfig, TorchTrainer

    from models.checkpoint import newest_checkpoint

    folder, threads = Path(job.folder), torch.get_num_threads()
    folder.mkdir(parents=True, exist_ok=True)
    if newest_checkpoint(folder) is None:
        (folder / PROGRESS).unlink(missing_ok=True)
    trainer = TorchTrainer(
        train_loop,
        train_loop_config=job.as_json(),
        torch_config=TorchConfig(backend="nccl" if job.use_gpu else "gloo"),
        scaling_config=ScalingConfig(num_workers=job.workers, use_gpu=job.use_gpu),
        run_config=RunConfig(
            name=f"ray-{uuid4().hex[:8]}",
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=job.max_failures),
        ),
    )

    with Following(folder, lambda _, entry: on_progress(entry_of(entry))):
        try:
            # Without workers it trains in this very thread, where an interrupt reaches it.
            _ = interruptible(trainer.fit) if job.workers else trainer.fit()
        except Exception as error:
            raise TrainingFailed(f"training in {folder} failed: {_last_line(error)}") from error
        finally:
            torch.set_num_threads(threads)
    return read_progress(folder)


def train_loop(config: dict[str, Any]) -> None:
    """What every worker of Ray Train runs."""
    from ray.train.collective import broadcast_from_rank_zero

    job = TrainingJob.read(config)
    if job.workers:
        yield_to_requests()
    _train_as(job, _worker(job), broadcast_from_rank_zero)


def train_alone(job: TrainingJob) -> list[Progress]:
    """`train` in this process, where Ray Train cannot be: in a trial of Ray Tune. `job.workers` is 0."""
    from models.training.loop import Worker

    Path(job.folder).mkdir(parents=True, exist_ok=True)
    _train_as(job, Worker(), lambda mine: mine)
    return read_progress(Path(job.folder))


def _train_as(job: TrainingJob, worker: "Worker", of_rank_zero: OfRankZero) -> None:
    """Trains as one of the workers of a job, from its newest checkpoint on."""
    import torch

    from assets.training.dataset import read_dataset
    from models.checkpoint import epochs_done, newest_checkpoint, next_checkpoint
    from models.training.early_stopping import StopTraining, has_stopped
    from models.training.loop import EpochReport, StepReport, fit

    folder = Path(job.folder)
    torch.set_num_threads(job.threads_per_worker)
    dataset = read_dataset(Path(job.dataset))
    rank, workers = worker.rank, worker.world_size
    family = family_of(job.model)

    def on_epoch(report: EpochReport, task: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
        if rank == 0:
            # The line is first: an epoch that is done again has two, one without it would be missing in the curve.
            note(folder / PROGRESS, progress_of(report, family.validate(task.model, dataset), workers))
            kept = kept_epoch(job, read_progress(folder)).epoch
            next_checkpoint(folder, task, optimizer, report.epoch, keep=kept)
        # Ray is not told of it: who reports waits for the next poll of the workers, longer than a short epoch takes.
        if stopped():
            raise StopTraining

    def stopped() -> bool:
        """Whether all have stopped, as rank 0 sees it by the held-out data."""
        if not job.training.patience:
            return False
        done = newest_checkpoint(folder) if rank == 0 else None
        curve = read_progress(folder)[: epochs_done(done) if done else 0]
        better = family.judge(job.model).better
        return bool(of_rank_zero(has_stopped(judged(job, curve), better, job.training.patience)))

    def on_step(report: StepReport) -> None:
        note(folder / PROGRESS, step_of(report, workers))

    def attempt(training: TrainingConfig, newest: Path | None) -> None:
        # One that was ended after its last epoch, before it said so, has nothing left to do.
        if stopped():
            return
        model = new_model(job, dataset)
        fit(
            model,
            dataset.histories,
            training,
            worker,
            on_epoch,
            resume_from=newest,
            on_step=on_step if rank == 0 else None,
            step_seconds=job.step_seconds,
            optimizer_state=_optimizer_at_start(job, dataset, model),
        )

    train_through_setbacks(job.training, folder, folder / PROGRESS, rank, attempt, of_rank_zero)


def _worker(job: TrainingJob) -> "Worker":
    """This process among those of the run."""
    import ray.train.torch
    import torch

    from models.training.compression import compress_gradients
    from models.training.loop import Worker

    context = ray.train.get_context()
    workers = context.get_world_size()

    def together(module: torch.nn.Module) -> torch.nn.Module:
        # Buffers are the same everywhere and never change: the catalogue's content need not travel with every step.
        wrapped = ray.train.torch.prepare_model(module, parallel_strategy_kwargs={"broadcast_buffers": False})
        return compress_gradients(wrapped, job.training)

    def mean(value: torch.Tensor) -> torch.Tensor:
        if workers > 1:
            torch.distributed.all_reduce(value)
        return value / workers

    return Worker(context.get_world_rank(), workers, together, mean, str(ray.train.torch.get_device()))


def vocabulary_of(job: TrainingJob, dataset: "Dataset") -> "Vocabulary":
    """That of the model of `job`: what it starts from has a say in who stands where in the ID table."""
    from models.vocabulary import Vocabulary

    if job.start is None:
        return dataset.vocabulary
    return dataset.vocabulary.following(Vocabulary.read(Path(job.start) / VOCABULARY))


def _optimizer_at_start(job: TrainingJob, dataset: "Dataset", model: Any) -> "dict[str, Tensor]":
    """What the optimiser begins with: where its parent's ended, if the job starts from one that kept it."""
    from models.warm_start import optimizer_state, read_parent

    return optimizer_state(read_parent(Path(job.start)), model, vocabulary_of(job, dataset)) if job.start else {}


def new_model(job: TrainingJob, dataset: "Dataset") -> Any:
    """The model of `job` before its first step, the same in every process."""
    import torch

    from models.families.registry import build
    from models.warm_start import begin_with, read_parent, start_from

    torch.manual_seed(job.training.seed)
    vocabulary = vocabulary_of(job, dataset)
    content = torch.from_numpy(dataset.content[:].copy()) if job.model.items.content_dim else None
    trained = torch.from_numpy(vocabulary.trained)
    model = build(job.model, len(vocabulary), trained, content, dataset.popularity)
    if job.start is not None:
        start_from(read_parent(Path(job.start)), model, vocabulary)
    if job.pretrained is not None:
        begin_with(Path(job.pretrained), model, vocabulary)
    return model


def trained_model(job: TrainingJob, dataset: "Dataset") -> Any:
    """The model that a finished `job` left in its folder, as it was after its `kept_epoch`, calibrated."""
    from models.checkpoint import load_model

    model = new_model(job, dataset)
    load_model(_kept_checkpoint(job), model)
    family_of(job.model).calibrate(model, dataset)
    return model.eval()


def kept_optimizer(job: TrainingJob, model: Any) -> "dict[str, Tensor]":
    """The optimiser's state beside the weights of `trained_model`, by the parameters' names."""
    from models.checkpoint import load_optimizer_state
    from models.training.optimizer import make_optimizer, named_state

    return named_state(model, make_optimizer(model, job.training), load_optimizer_state(_kept_checkpoint(job)))


def _kept_checkpoint(job: TrainingJob) -> Path:
    from models.checkpoint import checkpoint_of

    curve = read_progress(Path(job.folder))
    kept = checkpoint_of(Path(job.folder), kept_epoch(job, curve).epoch) if curve else None
    if kept is None:
        raise TrainingFailed(f"training in {job.folder} left no checkpoint: materialize the model's asset again")
    return kept


def kept_epoch(job: TrainingJob, curve: list[Progress]) -> Progress:
    """The epoch of `curve` whose weights are the model: the best one where the job has patience, else the last."""
    from models.training.early_stopping import best_epoch

    values = judged(job, curve)
    if not job.training.patience or not values:
        return curve[-1]
    return curve[best_epoch(values, family_of(job.model).judge(job.model).better) - 1]


def judged(job: TrainingJob, curve: list[Progress]) -> list[float]:
    """What each epoch is judged by: the family's metric on held-out data; empty where nothing is held out."""
    metric = family_of(job.model).judge(job.model).metric
    return [entry.validation[metric] for entry in curve if metric in entry.validation]


def setbacks_of(job: TrainingJob) -> list[Setback]:
    """Where it diverged and went back."""
    return read_setbacks(Path(job.folder) / PROGRESS)


def _last_line(error: Exception) -> str:
    return str(error).strip().splitlines()[-1] if str(error).strip() else type(error).__name__
