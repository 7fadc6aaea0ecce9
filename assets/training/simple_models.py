"""The floor under quality: popularity, item-kNN and iALS, fitted to a training set and released like every other model.

A floor that nobody tuned is a weak one: what the profile leaves to the data is what does best on the users whom the
training set holds out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from assets.training.dataset import Dataset, read_dataset, read_held_out
from assets.versions import ARTIFACTS
from models.auto import Choice
from models.manifest import Manifest
from storage.lake import Lake

if TYPE_CHECKING:
    from models.config.model import FamilyConfig
    from models.evaluation.cases import EvaluationCases
    from models.evaluation.scorer import Catalogue
    from models.interactions import Interactions

TRIED: Mapping[str, Mapping[str, Sequence[float]]] = {
    "item_knn": {"shrinkage": (20.0, 100.0, 5.0, 0.0), "half_life_items": (5.0, 1.0, 50.0)},
    "ials": {"alpha": (20.0, 5.0, 80.0), "regularisation": (10.0, 1.0, 100.0)},
}
"""Family to setting to the values that are tried: one setting after the other, the first value being the start."""

INTERACTIONS_TRIED = 100_000
"""Of a larger training set a trial sees users with about so many interactions."""

FEWEST_USERS = 50
"""Fewer held-out users say too little to depart from the first values."""

SECTION = "training.simple_models"

VALIDATION = "validation_ndcg@10"


@dataclass(frozen=True)
class SimpleVersion:
    """A version that was just written.

    Attributes:
        seconds: What choosing its configuration and fitting took.
    """

    folder: Path
    manifest: Manifest
    config: FamilyConfig
    seconds: float


@dataclass(frozen=True)
class Floor:
    """A training set to which simple models are fitted.

    Attributes:
        folder: The training set's.
        manifest_of: Begins the manifest of a new version (`assets.training.version.new_manifest`): it is given the
            family's name and, as `chosen`, what the data decided.
        threads: CPU threads at most.
        on_progress: Told of every trial and version.
    """

    folder: Path
    manifest_of: Callable[..., Manifest]
    threads: int = 1
    on_progress: Callable[[str], None] = lambda told: None
    dataset: Dataset = field(init=False)
    training: Interactions = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "dataset", read_dataset(self.folder))
        object.__setattr__(self, "training", read_held_out(self.folder).training)

    def write(self, lake: Lake, config: FamilyConfig, left_to_data: Sequence[str] = ()) -> SimpleVersion:
        """Chooses what is left to the data, fits the model to all that is before the cutoff, and writes its artifact.

        Args:
            config: Of a family that is fitted.
            left_to_data: Keys of it.
        """
        from models.artifact import save_artifact
        from models.families.registry import fitted_families

        started, family = perf_counter(), fitted_families()[config.family]
        config, chosen, numbers = self.tuned(config, left_to_data)
        model = family.fit(config, self.training, self.dataset.vocabulary, self.threads)
        seconds = perf_counter() - started
        numbers["seconds"] = round(seconds, 3)
        told = {f"{SECTION}.{family.name}.{name}": choice for name, choice in chosen.items()}
        manifest = self.manifest_of(family.name, chosen=told).model_copy(update={"training_metrics": numbers})
        folder = save_artifact(lake.folder(ARTIFACTS), manifest, model, self.dataset.vocabulary)
        self.on_progress(f"{family.name}: version {manifest.version} after {seconds:.1f} s")
        return SimpleVersion(folder, manifest, config, seconds)

    def tuned(
        self, config: FamilyConfig, left_to_data: Sequence[str]
    ) -> tuple[FamilyConfig, dict[str, Choice], dict[str, float]]:
        """The configuration that does best on the held-out users, what was chosen of it, and how good it is there.

        One setting after the other is tried, with those before it at their best.
        """
        tried = {name: values for name, values in TRIED.get(config.family, {}).items() if name in left_to_data}
        best = config.model_copy(update={name: values[0] for name, values in tried.items()})
        held_out = HeldOutUsers.of(self.dataset)
        if len(held_out.cases) < FEWEST_USERS:
            why = f"{len(held_out.cases)} users could be held out, too few to try other values on."
            return best, {name: Choice(value=values[0], reason=why) for name, values in tried.items()}, {}
        score = held_out.ndcg(best, self)
        chosen: dict[str, Choice] = {}
        for name, values in tried.items():
            scores = {values[0]: score}
            for value in values[1:]:
                scores[value] = held_out.ndcg(best.model_copy(update={name: value}), self)
            value = max(scores, key=lambda value: scores[value])
            best, score = best.model_copy(update={name: value}), scores[value]
            others = ", ".join(f"{scored:.4f} with {value:g}" for value, scored in scores.items())
            why = f"NDCG@10 of {len(held_out.cases):,} held-out users is {others}."
            chosen[name] = Choice(value=value, reason=why)
            self.on_progress(f"{config.family}: {name} is {value:g}: {why}")
        return best, chosen, {VALIDATION: score}


@dataclass(frozen=True)
class HeldOutUsers:
    """Users of a training set whose last interaction is asked for, as the evaluation asks.

    Attributes:
        training: What a trial's model sees of everybody, without these interactions.
    """

    training: Interactions
    cases: EvaluationCases
    catalogue: Catalogue

    @classmethod
    def of(cls, dataset: Dataset) -> HeldOutUsers:
        from models.evaluation.cases import EvaluationCases
        from models.evaluation.scorer import Catalogue

        size, asked = len(dataset.vocabulary) + 1, len(dataset.validation)
        trained = np.zeros(size, bool)
        trained[dataset.vocabulary.trained] = True
        cases = EvaluationCases(
            user_ids=pl.Series(range(asked), dtype=pl.Int64),
            histories=dataset.validation,
            request_times=np.asarray(dataset.validation_times),
            targets=np.asarray(dataset.validation_targets),
            target_offsets=np.arange(asked + 1),
            repeats=dataset.repeats,
        )
        return cls(some_of(dataset.histories), cases, Catalogue(np.zeros(size, np.int64), ~trained, known=trained))

    def ndcg(self, config: FamilyConfig, floor: Floor) -> float:
        """NDCG@10 of a model of this configuration, items of the history excluded."""
        from models.artifact import Artifact
        from models.evaluation.evaluate import RankingSettings, evaluate
        from models.evaluation.model_scorer import ModelScorer
        from models.evaluation.report import OVERALL
        from models.families.registry import fitted_families

        vocabulary = floor.dataset.vocabulary
        model = fitted_families()[config.family].fit(config, self.training, vocabulary, floor.threads)
        artifact = Artifact.of(floor.manifest_of(config.family), model, vocabulary)
        scorer = ModelScorer(config.family, artifact, vocabulary)
        every = {OVERALL: np.ones(len(self.cases.targets), bool)}
        report = evaluate([scorer], self.cases, self.catalogue, every, RankingSettings(ks=(10,), resamples=1))
        return report.scorers[config.family][OVERALL]["ndcg@10"].mean


def some_of(histories: Interactions) -> Interactions:
    """The interactions of so many users, drawn evenly, as have about `INTERACTIONS_TRIED`."""
    share = INTERACTIONS_TRIED / max(1, int(histories.offsets[-1]))
    if share >= 1:
        return histories
    drawn = np.random.default_rng(0).random(len(histories)) < share
    return histories.take(np.flatnonzero(drawn))
