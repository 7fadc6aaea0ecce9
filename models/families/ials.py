"""iALS: a factorisation of who chose what, in which a user's vector follows from the history."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.families.family import RETRIEVAL_VECTORS, FittedFamily
from models.fitted.config import IalsConfig

if TYPE_CHECKING:
    from torch import Tensor

    from models.artifact import Artifact
    from models.fitted.ials import IalsModel
    from models.interactions import Interactions
    from models.vocabulary import Vocabulary


class Ials(FittedFamily):
    """The family `ials`. Its factors are what a version keeps as retrieval vectors."""

    name = "ials"
    config = IalsConfig
    vectors = (RETRIEVAL_VECTORS,)

    def fit(self, config: IalsConfig, training: Interactions, vocabulary: Vocabulary, threads: int = 1) -> IalsModel:
        from models.fitted.ials import IalsModel

        return IalsModel.fit(config, training, vocabulary, threads)

    def load(
        self, config: IalsConfig, vocabulary: Vocabulary, weights: Mapping[str, Tensor], vectors: Mapping[str, Tensor]
    ) -> IalsModel:
        from models.fitted.ials import IalsModel

        return IalsModel(config, vocabulary, vectors[RETRIEVAL_VECTORS], **weights)

    def exports(self, model: IalsModel, items: int) -> Mapping[str, Tensor]:
        return {RETRIEVAL_VECTORS: model.factors.cpu()}

    def similar(self, artifact: Artifact, item_index: int) -> Tensor:
        import torch

        from models.inference import require_item

        require_item(artifact, item_index)
        cosines: Tensor = artifact.model.cosines(item_index)
        cosines[item_index] = -torch.inf
        return cosines
