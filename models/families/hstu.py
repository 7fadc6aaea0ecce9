"""HSTU: the research encoder, with pointwise attention or, as its ablation, softmax (HSTU paper, eq. 1-3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from models.config.model import HstuConfig, ModelConfig
from models.families.retrieval import RetrievalFamily

if TYPE_CHECKING:
    from models.encoder.stack import AttentionLayer


class Hstu(RetrievalFamily):
    """The family `hstu`."""

    name = "hstu"

    def layers(self, config: ModelConfig) -> Iterable[AttentionLayer]:
        from models.encoder.hstu import HstuLayer
        from models.encoder.softmax_hstu import SoftmaxHstuLayer

        backbone = config.backbone
        assert isinstance(backbone, HstuConfig)
        layer = SoftmaxHstuLayer if backbone.attention == "softmax" else HstuLayer
        return (layer(config.width, backbone, config.attention_divisor) for _ in range(backbone.layers))
