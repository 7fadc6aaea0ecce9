"""SASRec (Kang and McAuley, ICDM 2018), a control."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from models.config.model import ModelConfig, SasrecConfig
from models.families.retrieval import RetrievalFamily

if TYPE_CHECKING:
    from models.encoder.stack import AttentionLayer


class Sasrec(RetrievalFamily):
    """The family `sasrec`."""

    name = "sasrec"

    def layers(self, config: ModelConfig) -> Iterable[AttentionLayer]:
        from models.encoder.transformer import SasrecLayer

        backbone = config.backbone
        assert isinstance(backbone, SasrecConfig)
        return (SasrecLayer(config.width, backbone) for _ in range(backbone.layers))
