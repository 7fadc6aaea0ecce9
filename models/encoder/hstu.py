"""The research HSTU encoder (HSTU paper eq. 1-3; spec section 2.2), exact in order, eps and initialisation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention.reference import hstu_attention, token_places
from models.batch import JaggedBatch
from models.config import ModelConfig
from models.encoder.bias import RelativeBias, time_buckets


class HstuLayer(nn.Module):
    """x + f2(U * LN(attention)), with U, V, Q, K = SiLU(LN(x) W)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        backbone = config.backbone
        self.heads, self.head_dim = backbone.heads, backbone.head_dim
        self.eps, self.divisor = backbone.eps, config.attention_divisor
        inner = self.heads * self.head_dim
        self.uvqk = nn.Parameter(torch.empty(config.width, 4 * inner).normal_(std=0.02))
        self.bias = RelativeBias(config.attention_divisor)
        self.dropout = nn.Dropout(backbone.dropout)
        self.output = nn.Linear(inner, config.width)
        nn.init.xavier_uniform_(self.output.weight)

    def forward(self, x: Tensor, offsets: Tensor, buckets: Tensor) -> Tensor:
        """(L, width) -> (L, width)."""
        normed = F.layer_norm(x, x.shape[-1:], eps=self.eps)
        u, v, q, k = F.silu(normed @ self.uvqk).chunk(4, dim=-1)
        q, k, v = (part.unflatten(-1, (self.heads, self.head_dim)) for part in (q, k, v))
        mixed = hstu_attention(q, k, v, offsets, self.bias(buckets), self.divisor).flatten(1)
        gated = u * F.layer_norm(mixed, mixed.shape[-1:], eps=self.eps)
        return self.output(self.dropout(gated)) + x


class HstuEncoder(nn.Module):
    """Item vectors of a history -> unit-norm states that point at the next item."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.scale = config.width**0.5
        self.positions = nn.Parameter(torch.empty(config.attention_divisor, config.width))
        nn.init.xavier_normal_(self.positions)
        self.dropout = nn.Dropout(config.input_dropout)
        self.layers = nn.ModuleList(HstuLayer(config) for _ in range(config.backbone.layers))

    def forward(self, item_vectors: Tensor, batch: JaggedBatch) -> Tensor:
        """(L, width) vectors of the batch's items -> (L, width) states, the one at i made from items 0..i."""
        _, positions = token_places(batch.offsets)
        x = self.dropout(item_vectors * self.scale + self.positions[positions])
        buckets = time_buckets(batch)
        for layer in self.layers:
            x = layer(x, batch.offsets, buckets)
        return F.normalize(x.float(), dim=-1, eps=1e-6)
