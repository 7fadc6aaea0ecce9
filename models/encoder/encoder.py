"""The encoder of a history, whatever its layers are."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from models.batch import JaggedBatch
from models.config.model import RecommenderConfig
from models.dropout import Dropout
from models.encoder.stack import AttentionLayer, Layout, Stack
from models.jagged import token_places


class Encoder(nn.Module):
    """Item vectors of a history -> raw states, one per item, of which heads make answers (HSTU spec section 2.5).

    Args:
        config: Shape and function of the model.
        layers: Taken one by one after the positions are made.
    """

    def __init__(self, config: RecommenderConfig, layers: Iterable[AttentionLayer]) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.scale = config.width**0.5
        self.positions = nn.Parameter(torch.empty(config.attention_divisor, config.width))
        nn.init.xavier_normal_(self.positions)
        self.dropout = Dropout(config.input_dropout)
        self.layers = Stack(layers)

    def forward(self, item_vectors: Tensor, batch: JaggedBatch) -> Tensor:
        """(L, width) vectors of the batch's items -> (L, width) raw states, the one at i made from items 0..i.

        Raises:
            ValueError: a row is longer than the model's max_length.
        """
        _, places = token_places(batch.offsets)
        states: Tensor = self.layers(self.embed(item_vectors, places), self.lay_out(batch))
        return states

    def lay_out(self, batch: JaggedBatch) -> Layout:
        """The places and times of the batch's tokens.

        Raises:
            ValueError: a row is longer than the model's max_length.
        """
        if batch.longest > self.max_length:
            row = int(batch.offsets.diff().argmax())
            raise ValueError(
                f"row {row} of the batch has {batch.longest} tokens, but the model reads at most {self.max_length}: "
                "cut it to the last ones, as request_batch does"
            )
        return Layout(batch.offsets, batch.next_timestamps, batch.timestamps)

    def embed(self, item_vectors: Tensor, places: Tensor) -> Tensor:
        """(L, width) inputs of the layers, of items at `places` (L,) of their rows."""
        x: Tensor = self.dropout(item_vectors * self.scale + self.positions[places])
        return x
