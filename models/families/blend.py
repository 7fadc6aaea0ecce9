"""A blend of a trained recommender and item-kNN: better than both where each knows what the other does not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS, Family, Kind
from models.families.hstu import Hstu
from models.families.item_knn import ItemKnn
from models.families.ligr import Ligr
from models.families.sasrec import Sasrec
from models.fitted.config import BlendConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.artifact import Artifact
    from models.config.model import ItemTowerConfig, ModelConfig
    from models.fitted.blend import BlendModel
    from models.interactions import Interactions
    from models.vocabulary import Vocabulary


RECOMMENDER, ITEM_KNN = "recommender.", "item_knn."
"""What the names of either part's weights begin with."""

RECOMMENDERS = {family.name: family for family in (Hstu(), Sasrec(), Ligr())}
"""What can be mixed with item-kNN."""


class Blend(Family):
    """The family `blend`. A version holds both of its parts, so that it answers when these are long deleted."""

    name = "blend"
    kind: ClassVar[Kind] = "retrieval"
    config = BlendConfig
    vectors = (ITEM_VECTORS, RETRIEVAL_VECTORS)

    def exports(self, model: BlendModel, items: int) -> Mapping[str, Tensor]:
        return model.vectors

    def load(
        self,
        config: BlendConfig,
        vocabulary: Vocabulary,
        weights: Mapping[str, Tensor],
        vectors: Mapping[str, Tensor],
    ) -> BlendModel:
        from models.fitted.blend import BlendModel

        family = RECOMMENDERS[config.recommender.family]
        recommender = family.load(config.recommender, vocabulary, _below(RECOMMENDER, weights), vectors)
        item_knn = ItemKnn().load(config.item_knn, vocabulary, _below(ITEM_KNN, weights), {})
        return BlendModel(config, recommender, item_knn, vectors)

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        import torch

        from models.fitted.blend import had_by, mixed, scores_of_parts

        model = artifact.model
        with torch.inference_mode():
            logits, similarities = scores_of_parts(artifact, histories, request_times)
            had = had_by(histories, len(artifact.vocabulary), artifact.manifest.repeats)
            return mixed(logits, similarities, had, model.item_knn.related, model.config.weight)

    def content_tower(self, config: BlendConfig) -> ItemTowerConfig:
        return RECOMMENDERS[config.recommender.family].content_tower(config.recommender)

    def new_item_vectors(self, model: BlendModel, content: Tensor) -> Mapping[str, Tensor]:
        """Those of the recommender: item-kNN gives an item without neighbours no part of what it spreads."""
        return RECOMMENDERS[model.config.recommender.family].new_item_vectors(model.recommender, content)

    def with_room(self, model: BlendModel, count: int) -> Mapping[str, Tensor]:
        family = RECOMMENDERS[model.config.recommender.family]
        parts = {
            RECOMMENDER: family.with_room(model.recommender, count),
            ITEM_KNN: ItemKnn().with_room(model.item_knn, count),
        }
        return {f"{part}{name}": value for part, state in parts.items() for name, value in state.items()}

    def encoder_of(self, config: BlendConfig) -> ModelConfig:
        return config.recommender

    def user_vectors(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """As the recommender has them; what item-kNN adds to a score is no product of vectors."""
        recommender = _recommender_of(artifact)
        return recommender.family.user_vectors(recommender, histories, request_times)

    def are_unit_vectors(self, config: BlendConfig) -> bool:
        return RECOMMENDERS[config.recommender.family].are_unit_vectors(config.recommender)

    def similar(self, artifact: Artifact, item_index: int) -> Tensor:
        """As the recommender has it."""
        recommender = _recommender_of(artifact)
        return recommender.family.similar(recommender, item_index)


def _recommender_of(artifact: Artifact) -> Artifact:
    return replace(artifact, model=artifact.model.recommender)


def _below(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
