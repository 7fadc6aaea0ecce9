"""The item tower: what an item is, as a vector."""

import numpy as np
import torch
from torch import Tensor, nn

from models.age_gate import AgeGate
from models.config.model import ItemTowerConfig


class ItemTower(nn.Module):
    """ID embedding plus projected content embedding, each times a gate of the item's age where there is one.

    Of the items 1..n those that were trained have a row of their own in the ID table, which has no other rows but one:
    its row 0 is the learned out-of-vocabulary vector, which all other items share, so that their content alone tells
    them apart. An item's row there is called its place; items that come to be trained are appended, and no other moves.
    Index 0 is padding and maps to zero.

    Args:
        config: The tower's configuration.
        width: Width of the vectors.
        items: n.
        trained: (T,) int64 indices of the items with an ID embedding, in the order of the ID table; None: all.
        content: (n + 1, content_dim) float32 by item index, that of 0 unused. Required where content_dim > 0.
        ages: (n + 1,) float32 days since the first interaction of each item, by item index; None: 0. A gate alone reads
            it; whose ID is hidden, or who has none, counts as new.

    Attributes:
        has_content: (n + 1,) bool, the items whose content is known, so that it can stand in for an ID that is hidden.
        trained_items: (T + 1,) int64 the item at each place, 0 at place 0.
        places: (n + 1,) int64 the place of each item, 0 for one that was not trained.

    Raises:
        ValueError: the content is of another width or not finite; it names the item by its index. Or an item is twice
            among the trained ones, or none of 1..n.
    """

    content: Tensor
    ages: Tensor
    has_content: Tensor
    trained_items: Tensor
    places: Tensor

    def __init__(
        self,
        config: ItemTowerConfig,
        width: int,
        items: int,
        trained: Tensor | None = None,
        content: Tensor | None = None,
        ages: Tensor | None = None,
    ) -> None:
        super().__init__()
        given = 0 if content is None else content.shape[1]
        if given != config.content_dim:
            raise ValueError(
                f"the content embeddings are {given} wide, but the model is configured for {config.content_dim}"
            )
        if content is not None:
            _refuse_unfit(content)
        self.id_masking, self.hide_new = config.id_masking, config.hide_new
        trained = torch.arange(1, items + 1) if trained is None else trained
        self.ids = nn.Embedding.from_pretrained(_untrained(len(trained), width), freeze=False)
        self.projection = nn.Linear(config.content_dim, width, bias=False) if config.content_dim else None
        if self.projection is not None:
            nn.init.normal_(self.projection.weight, std=0.02)
        self.widths = [one.width for one in config.modalities.values()] or [config.content_dim]
        self.gate = AgeGate(1 + len(self.widths)) if config.gate == "age" else None
        self._known: Tensor | None = None
        self.register_buffer("content", torch.empty(0) if content is None else content, persistent=False)
        self.register_buffer("ages", torch.zeros(items + 1) if ages is None else ages, persistent=False)
        has_content = torch.zeros(items + 1, dtype=torch.bool) if content is None else content.any(1)
        self.register_buffer("has_content", has_content, persistent=False)
        self.register_buffer("trained_items", torch.cat([trained.new_zeros(1), trained]), persistent=False)
        self.register_buffer("places", _places(trained, items), persistent=False)

    @property
    def trained(self) -> int:
        """T, how many items have an ID embedding."""
        return len(self.trained_items) - 1

    @property
    def can_be_trained(self) -> np.ndarray:
        """(n + 1,) bool, the items with an ID embedding."""
        can: np.ndarray = (self.places > 0).cpu().numpy()
        return can

    def forward(self, items: Tensor, masked: Tensor | None = None) -> Tensor:
        """(…,) item indices -> (…, width) vectors; where `masked` is true the ID is hidden behind the content."""
        if self._known is not None:
            return self._known[items]
        places = self.places[items]
        if masked is not None:
            places = places.masked_fill(masked, 0)
        vectors, content = self.ids(places), None if self.projection is None else self.content[items]
        if self.gate is not None:
            gates = self.gate(self.ages[items] * (places > 0))
            vectors, content = vectors * gates[..., :1], self._gated(content, gates[..., 1:])
        if self.projection is not None:
            vectors = vectors + self.projection(content)
        return vectors * (items > 0).unsqueeze(-1)

    def _gated(self, content: Tensor | None, gates: Tensor) -> Tensor:
        """(..., content_dim) with each modality times its gate."""
        assert content is not None
        parts = content.split(self.widths, dim=-1)
        return torch.cat([part * gate for part, gate in zip(parts, gates.split(1, dim=-1), strict=True)], dim=-1)

    def know(self, vectors: Tensor) -> None:
        """Answers with `vectors` (n + 1, width) from now on, which a tower without the content cannot compute anew."""
        self._known = vectors

    @torch.no_grad()
    def table(self, items: Tensor, chunk: int = 65_536) -> Tensor:
        """(k, width) vectors of `items` (k,), some at a time; that of item 0 is zero."""
        return torch.cat([self(part) for part in items.to(self.places.device).split(chunk)])


def _untrained(trained: int, width: int) -> Tensor:
    """(trained + 1, width) the ID table before training.

    A row more is drawn than there is, and the last becomes the first: so a seed gives each item the vector that it gave
    when row 0 was padding and the out-of-vocabulary vector stood at the end.
    """
    drawn = nn.Embedding(trained + 2, width).weight.detach()
    nn.init.trunc_normal_(drawn, std=0.02, a=-0.04, b=0.04)
    return torch.cat([drawn[-1:], drawn[1:-1]])


def _places(trained: Tensor, items: int) -> Tensor:
    wrong = (trained < 1) | (trained > items)
    if wrong.any():
        raise ValueError(f"item index {int(trained[wrong][0])} is trained, but there are only items 1..{items}")
    places = torch.zeros(items + 1, dtype=torch.int64)
    places[trained] = torch.arange(1, len(trained) + 1)
    twice = places[trained] != torch.arange(1, len(trained) + 1)
    if twice.any():
        raise ValueError(f"item index {int(trained[twice][0])} is twice among the trained items: each has one place")
    return places


def _refuse_unfit(content: Tensor) -> None:
    # A sum is finite where all its terms are, and takes no memory of the content's size.
    wrong = ~content.sum(1).isfinite()
    if wrong.any():
        raise ValueError(
            f"the content embedding of item index {int(wrong.int().argmax())} is not finite: embed it again"
        )
