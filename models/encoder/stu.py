"""The layer of Meta's ranking model (HSTU spec section 2.6, dlrm_v3): no bias in attention, no SiLU on Q, K and V."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import hstu_attention
from models.config.model import StuConfig
from models.dropout import Dropout
from models.encoder.stack import AttentionLayer, Layout


class StuLayer(AttentionLayer):
    """x + [U, attention, U * norm(attention)] W_o, with U, V, Q, K = LN(x) W + b and SiLU on U alone.

    The attention goes into the projection un-normalised as well, so N matters directly.

    Args:
        width: Width of the hidden states.
        backbone: The layer's shape.
        divisor: N, frozen with the model.
    """

    def __init__(self, width: int, backbone: StuConfig, divisor: int) -> None:
        super().__init__()
        self.heads, self.head_dim = backbone.heads, backbone.head_dim
        self.eps, self.divisor = backbone.eps, divisor
        inner = self.heads * self.head_dim
        self.input_norm = nn.LayerNorm(width, eps=backbone.eps)
        self.uvqk = nn.Parameter(nn.init.xavier_uniform_(torch.empty(width, 4 * inner)))
        self.uvqk_bias = nn.Parameter(torch.zeros(4 * inner))
        self.grouped = backbone.output_norm == "group"
        self.norm_weight = nn.Parameter(torch.ones(self.heads if self.grouped else inner))
        self.norm_bias = nn.Parameter(torch.zeros(self.heads if self.grouped else inner))
        self.dropout = Dropout(backbone.dropout)
        self.output = nn.Parameter(nn.init.xavier_uniform_(torch.empty(3 * inner, width)))

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        u, v, q, k = torch.addmm(self.uvqk_bias, self.input_norm(x), self.uvqk).chunk(4, dim=-1)
        heads = (self.heads, self.head_dim)
        return F.silu(u), q.unflatten(-1, heads), k.unflatten(-1, heads), v.unflatten(-1, heads)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
        return hstu_attention(
            q,
            k,
            v,
            layout.offsets,
            divisor=self.divisor,
            scale=self.head_dim**-0.5,
            mask=layout.mask,
            query_offsets=layout.query_offsets,
        )

    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        raw = mixed.flatten(1)
        return x + self.dropout(torch.cat([gate, raw, gate * self._norm(mixed)], dim=-1)) @ self.output

    def _norm(self, mixed: Tensor) -> Tensor:
        if self.grouped:
            return F.group_norm(mixed, self.heads, self.norm_weight, self.norm_bias, self.eps).flatten(1)
        raw = mixed.flatten(1)
        return F.layer_norm(raw, raw.shape[-1:], self.norm_weight, self.norm_bias, self.eps)
