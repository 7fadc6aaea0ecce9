"""The towers: context, item and feedback as vectors of one width (ARGUS spec sections 2.1 and 2.3)."""

from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor, nn

from models.argus.config import ArgusConfig
from models.argus.embeddings import FeatureKeys, HashedEmbedding
from models.mlp import normed_mlp

NEVER_TRAINED = 0
"""The code of the ID of every item that training does not see."""


def distinct_rows(codes: Tensor) -> tuple[Tensor, Tensor | None]:
    """The different rows of codes, so that a tower need not read what it has just read; only in training.

    An answer must not depend on what else is in the batch, not even in its last bit, as it does where a matrix product
    has fewer rows.

    Args:
        codes: (..., F) int64, not negative.

    Returns:
        (U, F) the different rows and (...,) int64 where each row stands among them; or the codes as they are and None,
        where they do not fit into one number.
    """
    if not codes.numel():
        return codes, None
    spans = (codes.flatten(0, -2).amax(0) + 1).tolist()
    if prod(spans) >= 2**63:
        return codes, None
    strides = codes.new_tensor([prod(spans[place + 1 :]) for place in range(len(spans))])
    keys, place = (codes * strides).sum(-1).unique(return_inverse=True)
    return keys.unsqueeze(-1) // strides % codes.new_tensor(spans), place


class FeatureTower(nn.Module):
    """Codes of some features -> one vector.

    Args:
        config: The model's.
        embedding: The table that all features share.
        names: Of the features; with none of them, the tower says nothing.
    """

    def __init__(self, config: ArgusConfig, embedding: HashedEmbedding, names: Sequence[str]) -> None:
        super().__init__()
        self.width = config.width
        self._embedding = (embedding,)  # In a tuple, so that the table is a parameter of the model alone.
        self.keys = FeatureKeys(names)
        self.mix = normed_mlp(embedding.width * len(names), config.hidden, config.width) if names else None

    def forward(self, codes: Tensor) -> Tensor:
        """(..., features) int64 -> (..., width)."""
        table = self._embedding[0]
        if self.mix is None:
            return table.table.new_zeros(*codes.shape[:-1], self.width)
        once, place = distinct_rows(codes) if self.training else (codes, None)
        vectors: Tensor = self.mix(table(self.keys(once)))
        return vectors if place is None else vectors[place]


class ArgusItemTower(nn.Module):
    """An item's vector, made of its hashed ID and its content, or of either.

    An item that was never trained has no ID: all such items share one, and their content alone tells them apart.

    Args:
        config: The model's.
        embedding: The table that all features share.
        items: n.
        trained: (T,) int64 indices of the items that training sees; None: all.
        content: (n + 1, content_dim) float32; required where the configuration has a width.

    Raises:
        ValueError: the content is of another width, or the item has neither ID nor content.
    """

    content: Tensor
    trained: Tensor
    has_id: Tensor

    def __init__(
        self,
        config: ArgusConfig,
        embedding: HashedEmbedding,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
    ) -> None:
        super().__init__()
        given, width = 0 if content is None else content.shape[1], config.items.content_dim
        if given != width:
            raise ValueError(f"the content embeddings are {given} wide, but the model is configured for {width}")
        if not (width or config.item_id):
            raise ValueError("an item without ID is known by its content alone, and there is none: set item_id")
        trained = torch.arange(1, items + 1) if trained is None else trained
        self.id_masking = config.id_masking
        self._embedding = (embedding,)
        self.keys = FeatureKeys(["item"]) if config.item_id else None
        self.mix = normed_mlp((embedding.width if config.item_id else 0) + width, config.hidden, config.width)
        self._known: Tensor | None = None
        self.register_buffer("content", torch.empty(0) if content is None else content, persistent=False)
        self.register_buffer("trained", trained, persistent=False)
        has_id = torch.zeros(items + 1, dtype=torch.bool).index_fill_(0, trained, True)
        self.register_buffer("has_id", has_id, persistent=False)

    @property
    def count(self) -> int:
        """n, the greatest index of an item."""
        return len(self.has_id) - 1

    def forward(self, items: Tensor, masked: Tensor | None = None) -> Tensor:
        """(...,) item indices -> (..., width); where `masked` is true the ID is hidden."""
        if self._known is not None:
            return self._known[items]
        seen = self.has_id[items] if masked is None else self.has_id[items] & ~masked
        codes = torch.stack([torch.where(seen, items, NEVER_TRAINED), items], dim=-1)
        codes = codes if self.content.numel() else codes[..., :1]
        once, place = distinct_rows(codes) if self.training else (codes, None)
        parts = []
        if self.keys is not None:
            parts.append(self._embedding[0](self.keys(once[..., :1])))
        if self.content.numel():
            parts.append(self.content[once[..., 1]])
        vectors: Tensor = self.mix(torch.cat(parts, dim=-1))
        return vectors if place is None else vectors[place]

    def know(self, vectors: Tensor) -> None:
        """Answers with `vectors` (n + 1, width) from now on, which a tower without the content cannot compute anew."""
        self._known = vectors

    @torch.no_grad()
    def table(self, items: Tensor, chunk: int = 65_536) -> Tensor:
        """(k, width) vectors of `items` (k,), some at a time."""
        return torch.cat([self(part) for part in items.to(self.trained.device).split(chunk)])
