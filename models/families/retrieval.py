"""What the retrieval families share: the recommender, next-item prediction, scores by dot product."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from models.config.model import ModelConfig, RecommenderConfig, TrainedConfig
from models.config.training import TrainingConfig
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS, Judge, Kind, TrainedFamily
from models.families.item_state import ItemState

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.artifact import Artifact
    from models.calibration.balance import HeldOutChoices
    from models.encoder.stack import AttentionLayer
    from models.examples import Examples
    from models.interactions import Interactions
    from models.objectives.objective import Objective
    from models.popularity import PopularityOverTime
    from models.recommender import Recommender

NDCG, HELD_OUT_LOSS = "ndcg_at_10", "held_out_loss"


class RetrievalFamily(TrainedFamily):
    """A recommender; its families differ in the layers of the encoder."""

    kind: ClassVar[Kind] = "retrieval"
    config: ClassVar[type[TrainedConfig]] = ModelConfig
    vectors: ClassVar[tuple[str, ...]] = (ITEM_VECTORS, RETRIEVAL_VECTORS)
    item_state: ClassVar[ItemState | None] = ItemState({"head.log_popularity": 1}, ("items.ids.weight",))

    @abstractmethod
    def layers(self, config: Any) -> Iterable[AttentionLayer]:
        """The encoder's layers, made one by one as they are taken."""

    def judge(self, config: RecommenderConfig) -> Judge:
        """By the likelihood of what held-out users chose, which says more of few users than NDCG@10; a head without
        popularity has none, as its scores are cosines."""
        return Judge(HELD_OUT_LOSS, "min") if config.popularity else Judge(NDCG, "max")

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

        return [NextItem(training.loss.over(model.items.trained))]

    def validate(self, model: Recommender, dataset: Any) -> dict[str, float]:
        """NDCG@10 of the held-out last interactions, items of the history excluded, and their loss, calibrated."""
        import torch

        from models.calibration.balance import calibrated
        from models.evaluation.next_item_ndcg import next_item_ndcg

        if not len(dataset.validation):
            return {}
        with torch.no_grad(), calibrated(model, _held_out(dataset)) as loss:
            held_out = dataset.validation, dataset.validation_targets, dataset.validation_times
            ndcg = next_item_ndcg(model, *held_out, k=10, repeats=dataset.repeats)
        return {NDCG: ndcg} | ({} if loss is None else {HELD_OUT_LOSS: loss})

    def calibrate(self, model: Recommender, dataset: Any) -> None:
        """Fits the balance of personal and popular to held-out users (`models.calibration.balance`)."""
        from models.calibration.balance import calibrate

        if len(dataset.validation):
            calibrate(model, _held_out(dataset))

    def exports(self, model: Recommender, items: int) -> Mapping[str, Tensor]:
        import torch

        every = torch.arange(items + 1)
        vectors = model.items.table(every).float().cpu()
        found = model.cpu().head.items(vectors, every, model.items.places[every] == 0)
        return {ITEM_VECTORS: vectors, RETRIEVAL_VECTORS: found.detach()}

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        from models.inference import score

        return score(artifact, histories, request_times)

    def encoder_of(self, config: Any) -> TrainedConfig:
        return config

    def user_vectors(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        from models.inference import user_states

        return user_states(artifact, histories, request_times)

    def are_unit_vectors(self, config: Any) -> bool:
        return not config.popularity

    def similar(self, artifact: Artifact, item_index: int) -> Tensor:
        from models.inference import similar

        return similar(artifact, item_index)


def _held_out(dataset: Any) -> HeldOutChoices:
    from models.calibration.balance import HeldOutChoices

    return HeldOutChoices(
        dataset.validation,
        dataset.validation_targets,
        dataset.validation_times,
        dataset.validation_masked,
        dataset.repeats,
        dataset.arrivals,
    )
