"""Transformer layers: SASRec's, LiGR's and the standard one. Positions tell the order, times are not read."""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.attention.softmax import softmax_attention
from models.config.model import LigrConfig, PreNormConfig, SasrecConfig
from models.dropout import Dropout
from models.encoder.stack import AttentionLayer, Layout


class TransformerLayer(AttentionLayer):
    """Multi-head softmax attention with biased projections; what stands around it is the subclass's."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.dropout = Dropout(dropout)

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        asking, answering = self.inputs(x)
        width = x.shape[-1]
        q = F.linear(asking, self.qkv.weight[:width], self.qkv.bias[:width])
        k, v = F.linear(answering, self.qkv.weight[width:], self.qkv.bias[width:]).chunk(2, dim=-1)
        heads = (self.heads, self.head_dim)
        return x[:, :0], q.unflatten(-1, heads), k.unflatten(-1, heads), v.unflatten(-1, heads)

    @abstractmethod
    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(L, width) -> what queries are made from, what keys and values are made from."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
        return softmax_attention(
            q,
            k,
            v,
            layout.offsets,
            scale=self.head_dim**-0.5,
            mask=layout.mask,
            query_offsets=layout.query_offsets,
            dropout=self.dropout.p if self.training else 0.0,
        )


class SasrecLayer(TransformerLayer):
    """y = LN(q + attention(q, x, x)), then y + FFN(y), with q = LN(x): SASRec (Kang and McAuley, ICDM 2018).

    As in the baselines published with HSTU: a ReLU network as wide as the model, affine-free norms, dropout also on the
    attention weights.
    """

    def __init__(self, width: int, backbone: SasrecConfig) -> None:
        super().__init__(width, backbone.heads, backbone.dropout)
        self.eps = backbone.eps
        self.forward_in = nn.Linear(width, width)
        self.forward_out = nn.Linear(width, width)
        _initialise(self)

    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self._norm(x), x

    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        y = self._norm(self._norm(x) + self.output(mixed.flatten(1)))
        hidden = self.dropout(F.relu(self.forward_in(y)))
        return y + self.dropout(self.forward_out(hidden))

    def _norm(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], eps=self.eps)


class LigrLayer(TransformerLayer):
    """x + sigmoid(W x) * F(LN(x)), F being attention and then SwiGLU: LiGR's gated residuals (arXiv 2502.03417).

    Each part's own input gates it, before the norm.
    """

    def __init__(self, width: int, backbone: LigrConfig) -> None:
        super().__init__(width, backbone.heads, backbone.dropout)
        inner = backbone.expansion * width
        self.attention_norm = nn.LayerNorm(width, eps=backbone.eps)
        self.attention_gate = nn.Linear(width, width)
        self.forward_norm = nn.LayerNorm(width, eps=backbone.eps)
        self.forward_gate = nn.Linear(width, width)
        self.forward_open = nn.Linear(width, inner, bias=False)
        self.forward_in = nn.Linear(width, inner, bias=False)
        self.forward_out = nn.Linear(inner, width, bias=False)
        _initialise(self)

    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.attention_norm(x)
        return normed, normed

    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        attended = self.dropout(self.output(mixed.flatten(1)))
        x = x + torch.sigmoid(self.attention_gate(x)) * attended
        normed = self.forward_norm(x)
        hidden = self.dropout(F.silu(self.forward_open(normed)) * self.forward_in(normed))
        return x + torch.sigmoid(self.forward_gate(x)) * self.dropout(self.forward_out(hidden))


class PreNormLayer(TransformerLayer):
    """x + attention(LN(x)), then x + FFN(LN(x)): the standard pre-norm block (ARGUS spec section 2.4)."""

    def __init__(self, width: int, backbone: PreNormConfig) -> None:
        super().__init__(width, backbone.heads, backbone.dropout)
        self.attention_norm = nn.LayerNorm(width, eps=backbone.eps)
        self.forward_norm = nn.LayerNorm(width, eps=backbone.eps)
        self.forward_in = nn.Linear(width, backbone.expansion * width)
        self.forward_out = nn.Linear(backbone.expansion * width, width)
        _initialise(self)

    def inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        normed = self.attention_norm(x)
        return normed, normed

    def combine(self, x: Tensor, gate: Tensor, mixed: Tensor) -> Tensor:
        x = x + self.dropout(self.output(mixed.flatten(1)))
        hidden = self.dropout(F.gelu(self.forward_in(self.forward_norm(x))))
        return x + self.dropout(self.forward_out(hidden))


def _initialise(layer: TransformerLayer) -> None:
    """Xavier-normal matrices, as both were published; the attention's own biases start at zero."""
    for parameter in layer.parameters():
        if parameter.dim() > 1:
            nn.init.xavier_normal_(parameter)
    nn.init.zeros_(layer.qkv.bias)
    nn.init.zeros_(layer.output.bias)
