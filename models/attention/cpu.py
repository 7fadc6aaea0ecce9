"""HSTU attention on a CPU."""

from models.attention.reference import hstu_attention

__all__ = ["hstu_attention"]
