"""A generative recommender: an item tower, an encoder over the items a user interacted with, and a head."""

from collections.abc import Iterable
from functools import cached_property

import torch
from torch import Tensor, nn

from models.batch import JaggedBatch, Labels
from models.config.model import RecommenderConfig
from models.encoder.encoder import Encoder
from models.encoder.stack import AttentionLayer
from models.heads.evidence import Evidence
from models.heads.popularity import PopularityHead
from models.heads.projection import Projection
from models.heads.retrieval import RetrievalHead
from models.items import ItemTower
from models.jagged import last_tokens
from models.next_items import NextItems
from models.popularity import PopularityOverTime


class Recommender(nn.Module):
    """Item tower x encoder x head. `models.families.registry.build` makes the one that a configuration names.

    Args:
        config: Shape and function of the model.
        layers: The encoder's; an iterator's are made after what comes before them, as the seed of the weights has it.
        items, trained, content: As in `models.items.ItemTower`.
        popularity: Of every item over time, for a head that reads it; None: it comes with the weights.
    """

    def __init__(
        self,
        config: RecommenderConfig,
        layers: Iterable[AttentionLayer],
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        popularity: PopularityOverTime | None = None,
    ) -> None:
        super().__init__()
        self.config = config
        known = config.items.gate == "age" and popularity
        ages = torch.from_numpy(known.ages()) if known else None
        self.items = ItemTower(config.items, config.width, items, trained, content, ages)
        self.encoder = Encoder(config, layers)
        self.head = _head(config, popularity)

    def forward(self, batch: JaggedBatch, id_masked: Tensor | None = None) -> Tensor:
        """(L, width) raw states, one per interaction, each made to tell which item comes next."""
        return self.encoder(self.items(batch.item_index, id_masked), batch)

    def states(self, batch: JaggedBatch) -> Tensor:
        """(B, width) the raw state at the end of each row; zero for an empty one."""
        return last_tokens(self(batch), batch.offsets)

    def queries(self, batch: JaggedBatch) -> Tensor:
        """(B, d) what the head makes of these states."""
        queries: Tensor = self.head(self.states(batch), Evidence.of(batch).last(batch.offsets))
        return queries

    @torch.no_grad()
    def retrieval_vectors(self, count: int) -> Tensor:
        """(count + 1, d) what queries are compared with, of items 0..count; that of 0 is zero."""
        every = torch.arange(count + 1)
        vectors: Tensor = self.head.items(self.items.table(every), every, self.items.places[every] == 0)
        return vectors

    def view(self, batch: NextItems, generator: torch.Generator) -> "Positions":
        """A training batch as objectives see it."""
        return Positions(self, batch.inputs, batch.labels, generator)


class Positions:
    """What objectives see of a batch: the states at its positions, the item tower, the head.

    Attributes:
        model: The recommender, of which `items` is the tower and `head` the head.
        id_masked: (L,) bool, interactions whose ID is hidden: some at random and, where the tower hides what was new,
            those that the batch marks, where the content stands in for it. Where there is none, nothing would be left
            to learn from.
        label_masked: (L,) bool, labels whose ID is hidden.
        generator: Of everything that objectives draw.
    """

    def __init__(self, model: Recommender, batch: JaggedBatch, labels: Labels, generator: torch.Generator) -> None:
        self.model, self.batch, self.labels, self.generator = model, batch, labels, generator
        hidden = chance(batch.item_index.shape, model.items.id_masking, generator)
        if model.items.hide_new:
            hidden |= batch.id_masked
        self.id_masked = hidden & model.items.has_content[batch.item_index]
        self.label_masked = labels.id_masked & model.items.has_content[labels.item_index]

    @cached_property
    def states(self) -> Tensor:
        """(L, width) raw states; computed when first asked for."""
        states: Tensor = self.model(self.batch, self.id_masked)
        return states

    @cached_property
    def queries(self) -> Tensor:
        """(L, d) what the retrieval head makes of the states."""
        queries: Tensor = self.model.head(self.states, Evidence.of(self.batch))
        return queries


def _head(config: RecommenderConfig, popularity: PopularityOverTime | None) -> RetrievalHead:
    projection = Projection(config.width, config.decoding_width) if config.decoding_width else None
    return PopularityHead(popularity, projection) if config.popularity else RetrievalHead(projection)


def chance(shape: torch.Size, rate: float, generator: torch.Generator) -> Tensor:
    """Bool of `shape`, each true with probability `rate`."""
    return torch.rand(shape, generator=generator, device=generator.device) < rate
