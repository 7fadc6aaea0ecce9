"""Two towers fine-tuned of ARGUS: user and item vectors whose dot product orders what is shown (arXiv 2507.15994)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from models.argus.two_towers_config import TwoTowersConfig
from models.columns import ACTIONS, STARTED
from models.families.family import ITEM_VECTORS, RETRIEVAL_VECTORS, Judge, TrainedFamily
from models.families.item_state import ItemState

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from models.argus.two_towers import TwoTowers
    from models.artifact import Artifact
    from models.config.training import TrainingConfig
    from models.examples import Examples
    from models.interactions import Interactions
    from models.objectives.objective import Objective
    from models.popularity import PopularityOverTime

PAIR_ACCURACY = "pair_accuracy"


class ArgusTowersFamily(TrainedFamily):
    """The family `argus_towers`. Actions are bit masks by the configuration's own list of them."""

    name = "argus_towers"
    kind = "retrieval"
    config = TwoTowersConfig
    reads = "all"
    columns = (ACTIONS, STARTED)
    vectors = (ITEM_VECTORS, RETRIEVAL_VECTORS)
    item_state = ItemState({"of_items": 0, "quality.of_item": 0})

    def judge(self, config: TwoTowersConfig) -> Judge:
        return Judge(PAIR_ACCURACY, "max")

    def build(
        self,
        config: TwoTowersConfig,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        popularity: PopularityOverTime | None = None,
    ) -> TwoTowers:
        from models.argus.two_towers import TwoTowers

        return TwoTowers(config, items, trained, content)

    def examples(self, model: TwoTowers, data: Interactions, training: TrainingConfig) -> Examples:
        """The impressions of `data`.

        Raises:
            NoImpressions: none is left, or none turned out better than its neighbour.
        """
        from models.argus.impressions import ImpressionExamples, NoImpressions

        examples = ImpressionExamples(data.within(model.items.count), model.config)
        if not examples.pairs:
            raise NoImpressions(
                f"of {len(examples.at):,} impressions no two that follow each other differ in grade, so that nothing "
                "can be learned of what is better: name other steps in the scale (argus.towers.scale)"
            )
        return examples

    def begin(self, model: TwoTowers, examples: Any) -> None:
        """The model keeps what else is known of each item."""
        import torch

        codes = torch.from_numpy(examples.item_codes())
        model.of_items[: len(codes)] = codes.to(model.of_items.device)

    def objectives(self, model: TwoTowers, training: TrainingConfig) -> Sequence[Objective]:
        from models.objectives.impressions import Impressions

        return [Impressions(training.impressions, model.config.grades)]

    def validate(self, model: TwoTowers, dataset: Any) -> dict[str, float]:
        """Pair accuracy of what was shown to the held-out users; empty where there is no pair."""
        from models.argus.impressions import ImpressionExamples, NoImpressions
        from models.argus.shown import score_shown
        from models.evaluation.graded_pairs import pair_accuracy

        try:
            examples = ImpressionExamples(dataset.validation, model.config)
        except NoImpressions:
            return {}
        said = score_shown(model, examples, str(next(model.parameters()).device))
        accuracy = pair_accuracy(said.users, said.scores, said.grades)
        return {} if accuracy is None else {PAIR_ACCURACY: accuracy}

    def exports(self, model: TwoTowers, items: int) -> Mapping[str, Tensor]:
        import torch

        every = torch.arange(items + 1)
        vectors = model.items.table(every)
        with torch.no_grad():
            found = torch.cat([model.vectors(part.to(vectors.device)) for part in every.split(65_536)])
        return {ITEM_VECTORS: vectors.float().cpu(), RETRIEVAL_VECTORS: found.cpu()}

    def restore(self, model: TwoTowers, vectors: Mapping[str, Tensor]) -> None:
        model.items.know(vectors[ITEM_VECTORS])

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """(B, n + 1) the dot products of the users' vectors, as their histories stand, and those of every item.

        When a request comes says nothing to a vector. -inf as in `Family.score`.

        Raises:
            ValueError: an item is outside the vocabulary, or a user's vector is not finite; it names the user.
        """
        return self.score_vectors(artifact, self.user_vectors(artifact, histories, request_times))

    def encoder_of(self, config: TwoTowersConfig) -> TwoTowersConfig:
        return config

    def user_vectors(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        from models.argus.scoring import completed

        known = histories.within(len(artifact.vocabulary)).known()
        users: Tensor = artifact.model.users(completed(known, artifact.model.config))
        finite = users.isfinite().all(1)
        if not finite.all():
            raise ValueError(
                f"the vector of user {int(finite.int().argmin())} is not finite: the weights or item vectors of "
                f"version {artifact.version} are damaged"
            )
        return users

    def score_vectors(self, artifact: Artifact, users: Tensor) -> Tensor:
        """The same of the vectors of B users (B, d), whenever they were made."""
        scores = users @ artifact.retrieval_vectors.T
        scores[:, artifact.vocabulary.unknown_items] = -float("inf")
        return scores
