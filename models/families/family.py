"""What a family of models is: all that whoever makes a model, the artifact, the evaluation and the server ask of one.

A family is a file here and a line in `models.families.registry`. Its module is loaded with every profile, so what needs
PyTorch is imported within its methods.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, Protocol

from models.families.item_state import FEWEST_ROWS, ItemState

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

    from models.artifact import Artifact
    from models.config.model import FamilyConfig, ItemTowerConfig, TrainedConfig
    from models.config.training import TrainingConfig
    from models.examples import Examples
    from models.interactions import Interactions
    from models.objectives.objective import Objective
    from models.popularity import PopularityOverTime
    from models.vocabulary import Vocabulary

Kind = Literal["retrieval", "ranking"]
"""retrieval: finds items among all; ranking: tells what a user would do with given ones."""

ITEM_VECTORS = "item_vectors"
"""What the encoder reads of an item."""

RETRIEVAL_VECTORS = "retrieval_vectors"
"""What a user's query is compared with."""

Reads = Literal["positives", "all", "nothing"]
"""Which interactions are read: those with one of the profile's positive actions, all, or none of anybody."""


class Judge(NamedTuple):
    """A number by name, and whether more of it is better, or less."""

    metric: str
    better: Literal["max", "min"]


class NoNeighbours(ValueError):
    """A family cannot tell which items are like another."""


class NoVectors(ValueError):
    """A family has no vectors of users and items whose dot product is a score."""


class NoNewItems(ValueError):
    """A version can say nothing of an item that came after its training."""


class FamilyModel(Protocol):
    """A module that a family builds. Its `view` of a training batch is what the family's objectives are given."""

    @property
    def config(self) -> Any: ...

    def view(self, batch: Any, generator: Any) -> Any: ...

    def eval(self) -> Any: ...


class Family(ABC):
    """A family of models: how they are configured, kept, loaded and asked. It is a `TrainedFamily` or a `FittedFamily`.

    Attributes:
        name: As manifests, folders and profiles have it.
        kind: What its models are for.
        config: Its typed configuration.
        reads: Which interactions it reads of whom it answers.
        columns: The columns that it reads of an interaction besides item and time.
        vectors: Names of what `exports` gives.
        golden_requests: How many synthetic requests are kept with a version.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    config: ClassVar[type[FamilyConfig]]
    reads: ClassVar[Reads] = "positives"
    columns: ClassVar[tuple[str, ...]] = ()
    vectors: ClassVar[tuple[str, ...]] = ()
    golden_requests: ClassVar[int] = 64

    @abstractmethod
    def exports(self, model: Any, items: int) -> Mapping[str, Tensor]:
        """Vectors of items 0..`items` by name, (items + 1, d) float32 each on the CPU, which a version keeps apart."""

    @abstractmethod
    def load(
        self, config: Any, vocabulary: Vocabulary, weights: Mapping[str, Tensor], vectors: Mapping[str, Tensor]
    ) -> nn.Module:
        """The model of a version.

        Args:
            config: Of type `config`.
            vocabulary: The version's.
            weights: The model's state as it was kept.
            vectors: What it exported.

        Raises:
            ValueError: these do not fit each other.
        """

    @abstractmethod
    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """(B, n + 1) scores of every item for each of B users; -inf where the vocabulary does not know one, as at 0."""

    def encoder_of(self, config: Any) -> TrainedConfig:
        """The configuration of the model that `user_vectors` asks, which for most is `config` itself.

        Raises:
            NoVectors: there is none.
        """
        raise self._no_vectors()

    def user_vectors(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """(B, d) float32 vectors of B users, whose dot products with the version's retrieval vectors are the scores.

        Arguments are those of `score`; the scores are those of a request after the version's data have ended.

        Raises:
            NoVectors: the family has none.
            ValueError: as in `score`.
        """
        raise self._no_vectors()

    def _no_vectors(self) -> NoVectors:
        return NoVectors(
            f"a model of the family {self.name} has no vectors of users and items: take a version of another family"
        )

    def are_unit_vectors(self, config: Any) -> bool:
        """Whether these scores are cosines: then both vectors have norm 1, and nothing but a rotation may move them."""
        return False

    def content_tower(self, config: Any) -> ItemTowerConfig:
        """The configuration of the tower that reads an item's content.

        Raises:
            NoNewItems: there is none, so that nothing is known of an item that came after training.
        """
        raise self._no_new_items()

    def new_item_vectors(self, model: Any, content: Tensor) -> Mapping[str, Tensor]:
        """What `exports` would give for items that the catalogue had listed, but nobody had touched, by name (k, d).

        Args:
            content: (k, c) float32 content embeddings.

        Raises:
            NoNewItems: `content_tower` raises it.
            ValueError: the content is of another width than the model reads, or not finite.
        """
        raise self._no_new_items()

    def with_room(self, model: Any, count: int) -> Mapping[str, Tensor]:
        """The state of `model` with `count` items more behind its own, of which nothing was learned.

        Raises:
            NoNewItems: the family takes none in.
        """
        raise self._no_new_items()

    def _no_new_items(self) -> NoNewItems:
        return NoNewItems(
            f"a model of the family {self.name} knows an item by who chose it alone, and nothing of one that came later"
        )

    def similar(self, artifact: Artifact, item_index: int) -> Tensor:
        """(n + 1,) how like the item `item_index` every item is; -inf at itself and at those that cannot be told.

        Raises:
            NoNeighbours: the family cannot tell of any.
            ValueError: there is no such item.
        """
        raise NoNeighbours(
            f"version {artifact.version} is of the family {self.name}, which cannot tell which items are alike: ask a "
            "version of another family"
        )


class TrainedFamily(Family):
    """A family whose models learn by gradient, in epochs.

    Attributes:
        item_state: Of its models; None: they take in no item after training.
    """

    config: ClassVar[type[TrainedConfig]]
    item_state: ClassVar[ItemState | None] = None

    @abstractmethod
    def judge(self, config: Any) -> Judge:
        """By what epochs and the trials of a search are judged, of the numbers that `validate` gives."""

    @abstractmethod
    def build(
        self,
        config: Any,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        popularity: PopularityOverTime | None = None,
    ) -> nn.Module:
        """An untrained model, whose weights follow from PyTorch's seed.

        Args:
            config: Of type `config`.
            items: n, the greatest index of an item.
            trained: (T,) int64 indices of the items with an ID embedding, in the order of the ID table; None: all.
            content: (n + 1, d) float32 content embeddings by item, or None where the configuration has no width.
            popularity: Of every item over time; None: where the model reads it, it comes with the weights.
        """

    @abstractmethod
    def examples(self, model: Any, data: Any, training: TrainingConfig) -> Examples:
        """What `model` is trained on.

        Raises:
            ValueError: there is nothing to learn from, or the data do not fit the model.
        """

    def begin(self, model: Any, examples: Any) -> None:
        """Readies a model that was never trained with what is known of its `examples` before the first step."""
        # Most need nothing.
        return

    @abstractmethod
    def objectives(self, model: Any, training: TrainingConfig) -> Sequence[Objective]:
        """What it learns: the sum of these, weighted."""

    @abstractmethod
    def validate(self, model: Any, dataset: Any) -> dict[str, float]:
        """Numbers of the learning curve by name, on what the training set holds out; empty where that is nothing."""

    def calibrate(self, model: Any, dataset: Any) -> None:
        """Fits what only a training set's held-out part can tell, once training has ended; `validate` measures so."""
        # Most need nothing.
        return

    def content_tower(self, config: Any) -> ItemTowerConfig:
        if self.item_state is None:
            raise self._no_new_items()
        tower: ItemTowerConfig = config.items
        if not tower.content_dim:
            raise NoNewItems(
                "the model was trained without content, and knows nothing of an item that came later: give the "
                "catalogue titles, descriptions or pictures"
            )
        return tower

    def new_item_vectors(self, model: Any, content: Tensor) -> Mapping[str, Tensor]:
        """Those of a model of the same weights that has no other items than these."""
        import torch

        self.content_tower(model.config)
        assert self.item_state is not None
        count = max(len(content), FEWEST_ROWS)
        rows = content.new_zeros(count + 1, content.shape[1])
        rows[1 : len(content) + 1] = content
        with torch.random.fork_rng(devices=[]):
            alone = self.build(model.config, count, torch.empty(0, dtype=torch.int64), rows)
        alone.load_state_dict(self.item_state.of_unknown(model.state_dict(), count))
        with torch.no_grad():
            exported = self.exports(alone.eval(), count)
        return {name: vectors[1 : len(content) + 1] for name, vectors in exported.items()}

    def with_room(self, model: Any, count: int) -> Mapping[str, Tensor]:
        if self.item_state is None:
            raise self._no_new_items()
        return self.item_state.with_room(model.state_dict(), count)

    def restore(self, model: Any, vectors: Mapping[str, Tensor]) -> None:
        """Readies a model whose weights were loaded, and whose tower has no content, with the vectors kept with it."""
        # Most need nothing: they read the vectors themselves.
        return

    def load(
        self, config: Any, vocabulary: Vocabulary, weights: Mapping[str, Tensor], vectors: Mapping[str, Tensor]
    ) -> nn.Module:
        import torch

        content = torch.zeros(1, config.items.content_dim) if config.items.content_dim else None
        model = self.build(config, len(vocabulary), torch.from_numpy(vocabulary.trained), content)
        model.load_state_dict(weights)
        self.restore(model, vectors)
        return model


class FittedFamily(Family):
    """A family whose models are counted or solved from the interactions at once, and find items.

    What such a model knows nothing of, it never puts before what it knows; whom it has nothing to read of, it gives
    what is popular.
    """

    kind: ClassVar[Kind] = "retrieval"

    @abstractmethod
    def fit(self, config: Any, training: Interactions, vocabulary: Vocabulary, threads: int = 1) -> nn.Module:
        """The model of these interactions.

        Args:
            config: Of type `config`.
            training: Of all users, oldest first; they may lie in files, and are left as they are.
            vocabulary: Of their items, with the popularity at the end of the training set.
            threads: CPU threads at most.
        """

    def exports(self, model: Any, items: int) -> Mapping[str, Tensor]:
        return {}

    def score(self, artifact: Artifact, histories: Interactions, request_times: np.ndarray) -> Tensor:
        """What the model makes of what the version reads of the histories."""
        import torch

        from models.inference import read_of

        scores: Tensor = artifact.model(read_of(artifact, histories))
        scores[:, artifact.vocabulary.unknown_items] = -torch.inf
        return scores
