"""The research HSTU layer (HSTU paper eq. 1-3; spec section 2.2), exact in order, eps and initialisation."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention import hstu_attention
from models.config.model import HstuConfig
from models.dropout import Dropout
from models.encoder.bias import RelativeBias
from models.encoder.stack import AttentionLayer, Layout


class HstuLayer(AttentionLayer):
    """x + f2(U * LN(attention)), with U, V, Q, K = SiLU(LN(x) W)."""

    def __init__(self, width: int, backbone: HstuConfig, divisor: int) -> None:
        super().__init__()
        self.heads, self.head_dim = backbone.heads, backbone.head_dim
        self.eps, self.divisor = backbone.eps, divisor
        inner = self.heads * self.head_dim
        self.uvqk = nn.Parameter(torch.empty(width, 4 * inner).normal_(std=0.02))
        self.bias = RelativeBias(divisor)
        self.dropout = Dropout(backbone.dropout)
        self.output = nn.Linear(inner, width)
        nn.init.xavier_uniform_(self.output.weight)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        normed = F.layer_norm(x, x.shape[-1:], eps=self.eps)
        u, v, q, k = F.silu(normed @ self.uvqk).chunk(4, dim=-1)
        heads = (self.heads, self.head_dim)
        return u, q.unflatten(-1, heads), k.unflatten(-1, heads), v.unflatten(-1, heads)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
        return hstu_attention(
            q,
            k,
            v,
            layout.offsets,
            divisor=self.divisor,
            mask=layout.mask,
            bias=self.bias(layout),
            query_offsets=layout.query_offsets,
        )

    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        mixed = mixed.flatten(1)
        gated = gate * F.layer_norm(mixed, mixed.shape[-1:], eps=self.eps)
        return self.output(self.dropout(gated)) + x
