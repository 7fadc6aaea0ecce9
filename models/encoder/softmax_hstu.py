"""The research HSTU layer with softmax attention: what the pointwise attention is worth (HSTU paper Table 2)."""

from torch import Tensor

from models.attention.softmax import softmax_attention
from models.encoder.hstu import HstuLayer
from models.encoder.stack import Layout


class SoftmaxHstuLayer(HstuLayer):
    """HstuLayer in all but the weights: softmax(<q_i, k_j> / sqrt(d) + bias_ij) in place of SiLU(...) / N."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, layout: Layout) -> Tensor:
        return softmax_attention(
            q,
            k,
            v,
            layout.offsets,
            scale=self.head_dim**-0.5,
            mask=layout.mask,
            bias=self.bias(layout),
            query_offsets=layout.query_offsets,
        )
