"""The encoder of a history, whatever its layers are; the config names them."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import JaggedBatch
from models.config import ModelConfig
from models.encoder.dropout import Dropout
from models.encoder.hstu import HstuLayer
from models.encoder.softmax_hstu import SoftmaxHstuLayer
from models.encoder.stack import AttentionLayer, Layout, Stack
from models.encoder.transformer import LigrLayer, SasrecLayer
from models.jagged import token_places


class Encoder(nn.Module):
    """Item vectors of a history -> unit-norm states that point at the next item (HSTU spec section 2.5)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.max_length = config.max_length
        self.scale = config.width**0.5
        self.positions = nn.Parameter(torch.empty(config.attention_divisor, config.width))
        nn.init.xavier_normal_(self.positions)
        self.dropout = Dropout(config.input_dropout)
        self.layers = Stack(attention_layer(config) for _ in range(config.backbone.layers))

    def forward(self, item_vectors: Tensor, batch: JaggedBatch) -> Tensor:
        """(L, width) vectors of the batch's items -> (L, width) states, the one at i made from items 0..i.

        Raises:
            ValueError: a row is longer than the model's max_length.
        """
        _, places = token_places(batch.offsets)
        return unit_norm(self.layers(self.embed(item_vectors, places), self.lay_out(batch)))

    def lay_out(self, batch: JaggedBatch) -> Layout:
        """Where the batch's tokens stand, and when.

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


def unit_norm(states: Tensor) -> Tensor:
    """(L, width) states of unit norm, in fp32."""
    return F.normalize(states.float(), dim=-1, eps=1e-6)


def attention_layer(config: ModelConfig) -> AttentionLayer:
    """One layer of the backbone that `config` names."""
    backbone = config.backbone
    match backbone.name:
        case "sasrec":
            return SasrecLayer(config.width, backbone)
        case "ligr":
            return LigrLayer(config.width, backbone)
        case "hstu_research":
            layer = SoftmaxHstuLayer if backbone.attention == "softmax" else HstuLayer
            return layer(config.width, backbone, config.attention_divisor)
