"""Item-kNN: what the same users chose as the items of the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.families.family import FittedFamily
from models.fitted.config import ItemKnnConfig

if TYPE_CHECKING:
    from torch import Tensor

    from models.artifact import Artifact
    from models.fitted.item_knn import ItemKnnModel
    from models.interactions import Interactions
    from models.vocabulary import Vocabulary


class ItemKnn(FittedFamily):
    """The family `item_knn`."""

    name = "item_knn"
    config = ItemKnnConfig

    def fit(
        self, config: ItemKnnConfig, training: Interactions, vocabulary: Vocabulary, threads: int = 1
    ) -> ItemKnnModel:
        from models.fitted.item_knn import ItemKnnModel

        return ItemKnnModel.fit(config, training, vocabulary)

    def load(
        self,
        config: ItemKnnConfig,
        vocabulary: Vocabulary,
        weights: Mapping[str, Tensor],
        vectors: Mapping[str, Tensor],
    ) -> ItemKnnModel:
        from models.fitted.item_knn import ItemKnnModel

        return ItemKnnModel(config, vocabulary, **weights)

    def with_room(self, model: ItemKnnModel, count: int) -> Mapping[str, Tensor]:
        """Such an item is nobody's neighbour and has none."""
        import torch

        state = dict(model.state_dict())
        return state | {"offsets": torch.cat([state["offsets"], state["offsets"][-1:].expand(count)])}

    def similar(self, artifact: Artifact, item_index: int) -> Tensor:
        import torch

        from models.inference import require_item

        require_item(artifact, item_index)
        neighbours: Tensor = artifact.model.neighbours_of(item_index)
        neighbours[item_index] = -torch.inf
        return neighbours
