"""ARGUS (arXiv 2507.15994): what comes next and what comes of it, learned from all that happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.argus.config import ArgusConfig
from models.columns import ACTIONS, STARTED
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS, Judge, NoVectors, TrainedFamily
from models.families.item_state import ItemState

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.argus.model import Argus
    from models.artifact import Artifact
    from models.config.training import TrainingConfig
    from models.examples import Examples
    from models.interactions import Interactions
    from models.objectives.objective import Objective
    from models.popularity import PopularityOverTime

NE, NEXT_ITEM_NE, FEEDBACK_NE = "ne", "next_item_ne", "feedback_ne"


class ArgusFamily(TrainedFamily):
    """The family `argus`. Actions are bit masks by the configuration's own list of them."""

    name = "argus"
    kind = "retrieval"
    config = ArgusConfig
    reads = "all"
    columns = (ACTIONS, STARTED)
    vectors = (ITEM_VECTORS, RETRIEVAL_VECTORS)
    item_state = ItemState({"next_item.popularity.log_popularity": 1, "quality.of_item": 0})
    golden_requests = 4
    """Every item is scored for each."""

    def judge(self, config: ArgusConfig) -> Judge:
        return Judge(NE, "min")

    def build(
        self,
        config: ArgusConfig,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        popularity: PopularityOverTime | None = None,
    ) -> Argus:
        from models.argus.model import Argus

        return Argus(config, items, trained, content)

    def examples(self, model: Argus, data: Interactions, training: TrainingConfig) -> Examples:
        from models.argus.examples import ArgusExamples
        from models.argus.features import is_there

        told, data = training.interactions, data.within(model.items.count)
        asked = None if told.where is None else is_there(data.column(told.where))
        return ArgusExamples(data, model.config, asked, delay_hours=told.delay_hours)

    def begin(self, model: Argus, examples: Any) -> None:
        """The first answers are what can be counted, so that no step is spent on it."""
        import numpy as np
        import torch

        labels, config = examples.labels(), model.config
        counts = [
            np.bincount(column[column >= 0], minlength=config.classes(factor))
            for factor, column in zip(config.factors, labels.T, strict=True)
        ]
        if counts:
            model.begin_at(torch.from_numpy(np.concatenate(counts)).float())
        if model.quality is not None:
            model.quality.learn(*examples.observed())
        if model.next_item is not None and config.popularity:
            model.next_item.learn(examples.popularity(model.items.count, config.popularity_half_life_days))

    def objectives(self, model: Argus, training: TrainingConfig) -> Sequence[Objective]:
        """What the model tells.

        Raises:
            ValueError: a weight is of a loss that there is not.
        """
        from models.argus.config import NEXT_ITEM
        from models.objectives.feedback import Feedback
        from models.objectives.next_interaction import NextInteraction

        factors, weights = model.config.factors, training.interactions.weights
        losses = [*([NEXT_ITEM] if model.config.next_item else []), *(factor.name for factor in factors)]
        if unknown := sorted(set(weights) - set(losses)):
            raise ValueError(f"weights of {unknown} are of no loss of this model, which has {losses}")
        next_item: list[Objective] = [NextInteraction(training.interactions)] if model.config.next_item else []
        return [*next_item, *([Feedback(factors, weights)] if factors else [])]

    def validate(self, model: Argus, dataset: Any) -> dict[str, float]:
        """Normalised entropies of what the held-out users did: of the next item, of the feedback, and their mean."""
        import numpy as np

        from models.argus.examples import ArgusExamples
        from models.argus.predictions import predict
        from models.config.losses import InteractionLossConfig
        from models.evaluation.normalised_entropy import feedback_entropies, next_item_entropy
        from models.objectives.next_item_question import NextItemQuestion

        if not len(dataset.validation.timestamps):
            return {}
        device = str(next(model.parameters()).device)
        counts = np.bincount(dataset.histories.item_index, minlength=model.items.count + 1)
        question = NextItemQuestion(InteractionLossConfig(), counts, device)
        said = predict(model, ArgusExamples(dataset.validation, model.config), device, question)
        parts = {}
        if model.config.next_item and len(said.next_item):
            parts[NEXT_ITEM_NE] = next_item_entropy(said)
        defined = [value for value in feedback_entropies(said) if np.isfinite(value)]
        if defined:
            parts[FEEDBACK_NE] = float(np.mean(defined))
        return {NE: float(np.mean(list(parts.values()))), **parts} if parts else {}

    def exports(self, model: Argus, items: int) -> Mapping[str, Tensor]:
        import torch

        every = torch.arange(items + 1)
        vectors, new = model.items.table(every), ~model.items.has_id[every]
        found = vectors if model.next_item is None else model.next_item.targets(vectors, every, new)
        return {ITEM_VECTORS: vectors.float().cpu(), RETRIEVAL_VECTORS: found.detach().float().cpu()}

    def restore(self, model: Argus, vectors: Mapping[str, Tensor]) -> None:
        model.items.know(vectors[ITEM_VECTORS])

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """(B, n + 1) log likelihood that an item comes next and is liked (`models.argus.scoring`)."""
        from models.argus.scoring import log_likelihoods

        return log_likelihoods(artifact, histories, request_times)

    def encoder_of(self, config: ArgusConfig) -> ArgusConfig:
        """Raises NoVectors where the model does not tell the next item, which is what its vectors find."""
        if not config.next_item:
            raise NoVectors(
                "this model of the family argus tells no next item, so that it has no vectors of users: train it with "
                "`argus.learn: both`"
            )
        return config

    def user_vectors(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """Where the next item is looked for; what comes of an item is no part of these products."""
        from models.argus.scoring import next_item_queries

        self.encoder_of(artifact.model.config)
        return next_item_queries(artifact, histories, request_times)

    def are_unit_vectors(self, config: ArgusConfig) -> bool:
        return not config.popularity
