"""Decayed popularity: what was chosen lately, the same to everybody who asks at the same time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from models.families.family import FittedFamily
from models.fitted.config import PopularityConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.artifact import Artifact
    from models.fitted.popularity import PopularityModel
    from models.interactions import Interactions
    from models.vocabulary import Vocabulary


class Popularity(FittedFamily):
    """The family `popularity`."""

    name = "popularity"
    config = PopularityConfig
    reads = "nothing"

    def fit(
        self, config: PopularityConfig, training: Interactions, vocabulary: Vocabulary, threads: int = 1
    ) -> PopularityModel:
        """The model of `training`; `config` has the half-life of the vocabulary's popularity."""
        from models.fitted.popularity import PopularityModel

        return PopularityModel.fit(config, training, len(vocabulary))

    def load(
        self,
        config: PopularityConfig,
        vocabulary: Vocabulary,
        weights: Mapping[str, Tensor],
        vectors: Mapping[str, Tensor],
    ) -> PopularityModel:
        from models.fitted.popularity import PopularityModel

        return PopularityModel(config, len(vocabulary), **weights)

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """From the cutoff on the vocabulary's popularity; before it, that of the days before the request's own."""
        import torch

        scores: Tensor = artifact.model(request_times)
        late = torch.from_numpy(request_times >= int(artifact.manifest.cutoff.timestamp() * 1000))
        scores[late] = torch.from_numpy(artifact.vocabulary.popularity)
        scores[:, artifact.vocabulary.unknown_items] = -torch.inf
        return scores
