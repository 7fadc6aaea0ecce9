"""Backbones of several sizes on shares of one training set: a Ray Tune sweep that goes on where it was ended."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from assets.data_version import digest
from assets.ray_cluster import interruptible, yield_to_requests
from assets.scaling.settings import ScalingSettings
from assets.scaling.share import batches_of, share_of
from assets.training.journal import Following
from assets.training.progress import PROGRESS, Entry, Progress, entry_of
from assets.training.ray_train import TrainingJob, kept_epoch, train_alone, trained_model
from assets.training.tune import changed
from models.config.model import TrainedConfig
from models.families.registry import family_of
from models.families.retrieval import RetrievalFamily
from models.manifest import Manifest
from models.scaling.laws import require_a_ladder
from models.scaling.study import Trials

if TYPE_CHECKING:
    from models.evaluation.cases import EvaluationCases
    from models.evaluation.scorer import Catalogue, Scorer

SIZE, FRACTION, SEED = "size", "fraction", "seed"
PARAMETERS, EPOCHS, LOSS, MRR = "parameters", "epochs", "loss", "mrr"
RANKS = "reciprocal_ranks"
RUNS = "runs"

LOSS_NOISE = 0.005
"""Share by which training losses differ by chance."""


@dataclass(frozen=True)
class Sweep:
    """What is trained and asked.

    Attributes:
        job: The training that every trial changes a little. Trials are kept in its folder, where those of other sizes,
            shares and seeds may be: they are what they are by their names.
        settings: What differs.
        manifest: That of a version that the job would make.
        cases, catalogue: What every trial is asked.
    """

    job: TrainingJob
    settings: ScalingSettings
    manifest: Manifest
    cases: "EvaluationCases"
    catalogue: "Catalogue"

    def result_of(self, trial: dict[str, Any]) -> Path:
        """The file of what a finished trial came to."""
        return Path(self.job.folder) / "trials" / f"{self.name_of(trial)}.npz"

    def name_of(self, trial: dict[str, Any]) -> str:
        """Says all that it differs by."""
        size = self.settings.sizes[trial[SIZE]]
        told = {path.rpartition(".")[2]: value for path, value in sorted(size.items())} | {
            "share": trial[FRACTION],
            SEED: trial[SEED],
        }
        return "-".join(f"{name}-{_digits(value)}" for name, value in told.items())

    def share(self, fraction: float) -> Path:
        """The folder of the training set with a fraction of the users."""
        return share_of(Path(self.job.dataset), fraction, Path(self.job.folder) / "shares" / _digits(fraction))

    def epochs_as_long(self, fraction: float) -> float:
        """How many epochs of a share have as many steps as one of the whole training set.

        Raises:
            ValueError: the share is less than one batch.
        """
        if fraction == 1.0:
            return 1.0
        training, length = self.job.training, self.job.model.max_length
        whole, part = (batches_of(self.share(some), training, length) for some in (1.0, fraction))
        if part < 1:
            raise ValueError(
                f"the share {fraction:g} of the users is {part:.2g} of a batch, so its steps would be smaller than "
                "those of the whole: name a larger one in scaling.fractions, or lower training.optimisation.batch_size"
            )
        return ceil(whole) / ceil(part)

    def trials(self) -> list[dict[str, Any]]:
        """What each differs by: the place of its size, its fraction and its seed; those of the whole set first."""
        return [dict(zip(self.space, values, strict=True)) for values in product(*self.space.values())]

    @property
    def space(self) -> dict[str, list[Any]]:
        """All that trials differ by, every combination of which is one."""
        first = self.job.training.seed
        return {
            SEED: list(range(first, first + self.settings.seeds)),
            FRACTION: sorted(self.settings.fractions, reverse=True),
            SIZE: list(range(len(self.settings.sizes))),
        }


@dataclass(frozen=True)
class Swept:
    """All trials of a sweep.

    Attributes:
        table: One row each: `size`, `fraction`, `seed`, `parameters` of the backbone, `epochs`, `loss`, `mrr`.
        by_fraction: What the laws are fitted to.
    """

    table: pl.DataFrame
    by_fraction: dict[float, Trials]

    @property
    def undertrained(self) -> str | None:
        """Which size has learned the training set less well than a smaller one, a sentence; None where none has."""
        whole = self.table.filter(pl.col(FRACTION) == 1.0).group_by(PARAMETERS).agg(pl.mean(LOSS)).sort(PARAMETERS)
        best = whole.with_columns(best=pl.col(LOSS).cum_min().shift(1))
        worse = best.filter(pl.col(LOSS) > (1 + LOSS_NOISE) * pl.col("best"))
        if worse.is_empty():
            return None
        size, loss, smaller = worse.row(0)
        return (
            f"The backbone of {size:,} parameters ends with a training loss of {loss:.3f}, a smaller one with "
            f"{smaller:.3f}: it is trained too little for a law of size, so set more `scaling.epochs`."
        )


def sweep(plan: Sweep, on_progress: Callable[[str], None]) -> Swept:
    """Trains and asks every trial that is not there yet, one CPU each.

    One that was ended goes on after its last epoch. The caller must be attached to a Ray cluster.

    Raises:
        ValueError: a size names what the backbone does not have, two are equally large, or a share is less than one
            batch; or a trial failed, whose error it names.
        NoLaw: whatever comes of these sizes, it tells no law.
    """
    require_sizes(plan)
    folder = Path(plan.job.folder)
    for fraction in plan.settings.fractions:
        plan.epochs_as_long(fraction)
    (folder / "trials").mkdir(parents=True, exist_ok=True)
    done = sum(plan.result_of(trial).exists() for trial in plan.trials())
    if done:
        on_progress(f"goes on with {done} of {len(plan.trials())} trials done")

    def told(journal: Path, entry: Entry) -> None:
        if isinstance(entry, Progress):
            on_progress(f"{journal.parent.name}: {entry}")

    (folder / RUNS).mkdir(exist_ok=True)
    with Following(folder / RUNS, lambda journal, entry: told(journal, entry_of(entry)), f"*/{PROGRESS}"):
        results = interruptible(_tuner(plan).fit)
    missing = [trial for trial in plan.trials() if not plan.result_of(trial).exists()]
    if missing:
        why = str(results.errors[0]).strip().splitlines()[-1] if results.errors else "it was ended"
        raise ValueError(
            f"{len(missing)} of {len(plan.trials())} trials failed, first {plan.name_of(missing[0])}: {why}"
        )
    return _swept(plan)


def require_sizes(plan: Sweep) -> None:
    """Refuses sizes that cannot be trained, or told apart (`sweep`)."""
    named: dict[int, dict[str, int]] = {}
    for size in plan.settings.sizes:
        parameters = backbone_parameters(changed(plan.job, size).model)
        if parameters in named:
            raise ValueError(
                f"the sizes {named[parameters]} and {size} both have {parameters:,} parameters: leave one of them out"
            )
        named[parameters] = size
    require_a_ladder(np.array(list(named), float))


def backbone_parameters(model: TrainedConfig) -> int:
    """How many the layers of a model's encoder have; none of them is given memory."""
    import torch

    family = family_of(model)
    if not isinstance(family, RetrievalFamily):
        raise ValueError(f"the family {family.name} has no backbone whose size could be swept over")
    with torch.device("meta"):
        return sum(weights.numel() for layer in family.layers(model) for weights in layer.parameters())


def try_size(trial: dict[str, Any], plan: Sweep) -> None:
    """One trial."""
    from ray import tune

    yield_to_requests()
    file = plan.result_of(trial)
    if not file.exists():
        _train_and_ask(trial, plan, file)
    with np.load(file) as found:
        tune.report({MRR: float(found[RANKS].mean()), PARAMETERS: int(found[PARAMETERS])})


def _train_and_ask(trial: dict[str, Any], plan: Sweep, file: Path) -> None:
    from assets.training.dataset import read_dataset
    from models.artifact import Artifact
    from models.evaluation.model_scorer import ModelScorer

    job = job_of(trial, plan)
    curve = train_alone(job)
    dataset, kept = read_dataset(Path(job.dataset)), kept_epoch(job, curve)
    model = trained_model(job, dataset)
    artifact = Artifact.of(plan.manifest, model, dataset.vocabulary)
    ranks = reciprocal_ranks(ModelScorer(file.stem, artifact, dataset.vocabulary), plan.cases, plan.catalogue)
    parameters = sum(weights.numel() for weights in model.encoder.layers.parameters())
    partial = file.with_name(f".{file.name}.partial.npz")
    np.savez(partial, **{RANKS: ranks, PARAMETERS: parameters, EPOCHS: kept.epoch, LOSS: kept.loss})
    partial.replace(file)


def job_of(trial: dict[str, Any], plan: Sweep) -> TrainingJob:
    """The training of a trial: all shares have as many steps, so that they differ in their data alone."""
    job, fraction = plan.job, trial[FRACTION]
    more = plan.epochs_as_long(fraction)
    training = job.training.model_copy(
        update={
            "seed": trial[SEED],
            "epochs": round((plan.settings.epochs or job.training.epochs) * more),
            "patience": round(job.training.patience * more),
        }
    )
    return replace(
        changed(job, plan.settings.sizes[trial[SIZE]]),
        dataset=str(plan.share(fraction)),
        folder=str(Path(job.folder) / RUNS / plan.name_of(trial)),
        training=training,
        workers=0,
    )


def reciprocal_ranks(scorer: "Scorer", cases: "EvaluationCases", catalogue: "Catalogue") -> np.ndarray:
    """(B,) float64 of the first target of every case."""
    from models.evaluation.evaluate import RankingSettings, batch_size
    from models.evaluation.metrics import reciprocal_rank
    from models.evaluation.ranking import rank

    batches = cases.batches(batch_size(catalogue, RankingSettings()))
    ranks = [rank(scorer.score(batch), batch, catalogue, 1).ranks for batch in batches]
    return reciprocal_rank(np.concatenate(ranks), cases.target_offsets)


def _tuner(plan: Sweep) -> Any:
    """A new experiment, or the one that was ended."""
    from ray import tune

    trainable = tune.with_resources(tune.with_parameters(try_size, plan=plan), {"cpu": 1})
    folder, name = Path(plan.job.folder), f"tune-{digest(plan.settings.sizes, plan.space)[:8]}"
    place = folder / name
    if tune.Tuner.can_restore(str(place)):
        return tune.Tuner.restore(str(place), trainable, resume_unfinished=True, restart_errored=True)
    return tune.Tuner(
        trainable,
        param_space={name: tune.grid_search(values) for name, values in plan.space.items()},
        tune_config=tune.TuneConfig(
            metric=MRR, mode="max", max_concurrent_trials=plan.settings.concurrent, reuse_actors=True
        ),
        run_config=tune.RunConfig(name=name, storage_path=str(folder), verbose=0),
    )


def _swept(plan: Sweep) -> Swept:
    """What all trials came to."""
    rows, values = [], []
    for trial in plan.trials():
        with np.load(plan.result_of(trial)) as found:
            values.append(found[RANKS])
            told = {PARAMETERS: int(found[PARAMETERS]), EPOCHS: int(found[EPOCHS]), LOSS: float(found[LOSS])}
        rows.append({**trial, **told, MRR: float(values[-1].mean())})
    table = pl.DataFrame(rows)
    by_fraction = {}
    for fraction in plan.settings.fractions:
        of_fraction = [place for place, row in enumerate(rows) if row[FRACTION] == fraction]
        sizes = np.array([rows[place][PARAMETERS] for place in of_fraction], float)
        by_fraction[fraction] = Trials(sizes, np.stack([values[place] for place in of_fraction]))
    return Swept(table, by_fraction)


def _digits(value: float) -> str:
    """A number with all its digits: two different ones never share a name."""
    return repr(float(value)).removesuffix(".0")
