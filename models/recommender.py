"""A generative recommender: an item tower and an encoder over the items a user interacted with."""

import torch
from torch import Tensor, nn

from models.batch import JaggedBatch
from models.config import ModelConfig
from models.encoder.encoder import Encoder
from models.items import ItemTower


class Recommender(nn.Module):
    """Backbone x item tower.

    Args:
        config: Shape and function of the model.
        trained_items: Items with an ID embedding, rows 1..trained_items.
        content: (n + 1, content_dim) float32 content embeddings by row, or None where the model uses none.
    """

    def __init__(self, config: ModelConfig, trained_items: int, content: Tensor | None = None) -> None:
        super().__init__()
        self.config = config
        self.items = ItemTower(config.items, config.width, trained_items, content)
        self.encoder = Encoder(config)

    def forward(self, batch: JaggedBatch, masked: Tensor | None = None) -> Tensor:
        """(L, width) unit-norm states, one per interaction, each pointing at the item that comes next."""
        return self.encoder(self.items(batch.item_index, masked), batch)

    @torch.no_grad()
    def item_vectors(self, count: int, chunk: int = 65_536) -> Tensor:
        """(count + 1, width) tower output of rows 0..count, not normalised; row 0 is zero."""
        rows = torch.arange(count + 1, device=self.items.ids.weight.device)
        return torch.cat([self.items(part) for part in rows.split(chunk)])
