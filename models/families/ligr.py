"""LiGR's gated transformer (arXiv 2502.03417), a control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from models.config.model import LigrConfig, ModelConfig
from models.families.retrieval import RetrievalFamily

if TYPE_CHECKING:
    from models.encoder.stack import AttentionLayer


class Ligr(RetrievalFamily):
    """The family `ligr`."""

    name = "ligr"

    def layers(self, config: ModelConfig) -> Iterable[AttentionLayer]:
        from models.encoder.transformer import LigrLayer

        backbone = config.backbone
        assert isinstance(backbone, LigrConfig)
        return (LigrLayer(config.width, backbone) for _ in range(backbone.layers))
