"""Meta's ranking model (HSTU spec sections 2.5-2.8, dlrm_v3): what a user would do with each candidate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.columns import ACTIONS, STARTED
from models.families.family import ITEM_VECTORS, Judge, TrainedFamily
from models.ranking.config import RankerConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.artifact import Artifact
    from models.config.training import TrainingConfig
    from models.examples import Examples
    from models.interactions import Interactions
    from models.objectives.objective import Objective
    from models.popularity import PopularityOverTime
    from models.ranking.ranker import Ranker


NE = "ne"


class HstuDlrmV3(TrainedFamily):
    """The family `hstu_dlrm_v3`. Actions are bit masks by the configuration's own list of them."""

    name = "hstu_dlrm_v3"
    kind = "ranking"
    config = RankerConfig
    reads = "all"
    columns = (ACTIONS, STARTED)
    vectors = (ITEM_VECTORS,)
    golden_requests = 4
    """For every one, each item is a candidate."""

    def judge(self, config: RankerConfig) -> Judge:
        return Judge(NE, "min")

    def build(
        self,
        config: RankerConfig,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        popularity: PopularityOverTime | None = None,
    ) -> Ranker:
        from models.ranking.ranker import Ranker

        return Ranker(config, items, trained, content)

    def examples(self, model: Ranker, data: Interactions, training: TrainingConfig) -> Examples:
        from models.ranking.examples import RankingExamples

        return RankingExamples(data.among(model.items.can_be_trained), model.config)

    def begin(self, model: Ranker, examples: Any) -> None:
        """The first answers are the base rates, so that no step is spent on what can be counted."""
        model.head.begin_at(examples.base_rates())

    def objectives(self, model: Ranker, training: TrainingConfig) -> Sequence[Objective]:
        from models.objectives.actions import ActionLoss

        return [ActionLoss(model.config.actions, training.actions)]

    def validate(self, model: Ranker, dataset: Any) -> dict[str, float]:
        """Normalised entropy of what was shown to the held-out users, the mean over actions."""
        from models.evaluation.action_metrics import normalised_entropy
        from models.ranking.examples import RankingExamples
        from models.ranking.predictions import predict

        if not len(dataset.validation):
            return {}
        device = str(next(model.parameters()).device)
        said = predict(model, RankingExamples(dataset.validation, model.config), device)
        return {NE: normalised_entropy(said.logits, said.taken)}

    def exports(self, model: Ranker, items: int) -> Mapping[str, Tensor]:
        import torch

        return {ITEM_VECTORS: model.items.table(torch.arange(items + 1)).float().cpu()}

    def restore(self, model: Ranker, vectors: Mapping[str, Tensor]) -> None:
        model.items.know(vectors[ITEM_VECTORS])

    def score(self, artifact: Artifact, interactions: Interactions, request_times: np.ndarray) -> Tensor:
        """(B, n + 1) logits of the first declared action; -inf as in `Family.score`."""
        from models.ranking.scoring import action_logits

        return action_logits(artifact, interactions, request_times, action=0)
