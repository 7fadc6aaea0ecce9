"""Jagged HSTU attention: one signature, three backends."""

from models.attention.bias import AttentionBias
from models.attention.dispatch import hstu_attention, use_backend
from models.attention.mask import CAUSAL, AttentionMask

__all__ = ["CAUSAL", "AttentionBias", "AttentionMask", "hstu_attention", "use_backend"]
