"""What the retrieval families share: the recommender, next-item prediction, scores by dot product."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from models.config import ModelConfig, TrainedConfig, TrainingConfig
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS, Kind, TrainedFamily

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.artifact import Artifact
    from models.encoder.stack import AttentionLayer
    from models.examples import Examples
    from models.interactions import Interactions
    from models.objectives.objective import Objective
    from models.popularity import PopularityOverTime
    from models.recommender import Recommender


class RetrievalFamily(TrainedFamily):
    """A recommender; its families differ in the layers of the encoder."""

    kind: ClassVar[Kind] = "retrieval"
    config: ClassVar[type[TrainedConfig]] = ModelConfig
    metric: ClassVar[str] = "ndcg_at_10"
    better: ClassVar[Literal["max", "min"]] = "max"
    vectors: ClassVar[tuple[str, ...]] = (ITEM_VECTORS, RETRIEVAL_VECTORS)

    @abstractmethod
    def layers(self, config: Any) -> Iterable[AttentionLayer]:
        """The encoder's layers, made one by one as they are taken."""

    def build(
        self,
        config: Any,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        popularity: PopularityOverTime | None = None,
    ) -> Recommender:
        from models.recommender import Recommender

        return Recommender(config, self.layers(config), items, trained, content, popularity)

    def examples(self, model: Recommender, data: Interactions, training: TrainingConfig) -> Examples:
        from models.next_items import NextItemExamples

        return NextItemExamples(data.among(model.items.can_be_trained), model.config.max_length, training)

    def objectives(self, model: Recommender, training: TrainingConfig) -> Sequence[Objective]:
        from models.objectives.next_item import NextItem

        return [NextItem(training.loss)]

    def validate(self, model: Recommender, dataset: Any) -> dict[str, float]:
        """NDCG@10 of the held-out last interactions, items of the history excluded."""
        import torch

        from models.evaluation.next_item_ndcg import next_item_ndcg

        if not len(dataset.validation):
            return {}
        with torch.inference_mode():
            held_out = dataset.validation, dataset.validation_targets, dataset.validation_times
            return {self.metric: next_item_ndcg(model, *held_out, k=10)}

    def exports(self, model: Recommender, items: int) -> Mapping[str, Tensor]:
        import torch

        every = torch.arange(items + 1)
        vectors = model.items.table(every).float().cpu()
        return {ITEM_VECTORS: vectors, RETRIEVAL_VECTORS: model.cpu().head.items(vectors, every).detach()}

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        from models.inference import score

        return score(artifact, histories, request_times)

    def similar(self, artifact: Artifact, item_index: int) -> Tensor:
        from models.inference import similar

        return similar(artifact, item_index)
