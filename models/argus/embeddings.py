"""One table of embeddings for every categorical feature (Coleman et al., arXiv 2305.12102; ARGUS spec section 2.3)."""

import zlib
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.argus.config import EmbeddingConfig

_MIX = (0x9E3779B97F4A7C15 - 2**64, 0xBF58476D1CE4E5B9 - 2**64, 0x94D049BB133111EB - 2**64)
_STD = 0.02


class HashedEmbedding(nn.Module):
    """Values of any feature -> some rows of the one table, side by side.

    Values that share one row rarely share the others, so nobody needs to know how many there are.
    """

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        self.lookups = config.lookups
        self.width = config.lookups * config.dim
        self.table = nn.Parameter(torch.empty(config.rows, config.dim).normal_(std=_STD))

    def forward(self, keys: Tensor) -> Tensor:
        """(..., F) int64 keys (`FeatureKeys`) -> (..., F * width)."""
        return F.embedding(self.places(keys), self.table).flatten(-3)

    def places(self, keys: Tensor) -> Tensor:
        """(...,) int64 keys -> (..., lookups) rows, by double hashing (Kirsch and Mitzenmacher 2006)."""
        mixed = _splitmix64(keys)
        first, step = mixed & 0x7FFFFFFF, _shifted(mixed, 33) | 1
        nth = torch.arange(self.lookups, device=keys.device)
        return (first.unsqueeze(-1) + nth * step.unsqueeze(-1)) % len(self.table)


class FeatureKeys(nn.Module):
    """Codes of some features -> keys that are different for every feature and code.

    Args:
        names: Of the features; one of the same name has the same keys in every model.
    """

    first: Tensor

    def __init__(self, names: Sequence[str]) -> None:
        super().__init__()
        first = [zlib.crc32(name.encode()) << 31 for name in names]
        self.register_buffer("first", torch.tensor(first, dtype=torch.int64), persistent=False)

    def forward(self, codes: Tensor) -> Tensor:
        """(..., F) int64 codes below 2^31 -> (..., F) keys."""
        return codes + self.first


def _splitmix64(state: Tensor) -> Tensor:
    """The output of SplitMix64 for int64 states; as `models.hashing.splitmix64`, on any device."""
    state = state + _MIX[0]
    state = (state ^ _shifted(state, 30)) * _MIX[1]
    state = (state ^ _shifted(state, 27)) * _MIX[2]
    return state ^ _shifted(state, 31)


def _shifted(state: Tensor, bits: int) -> Tensor:
    """A logical shift to the right; that of PyTorch keeps the sign."""
    return (state >> bits) & ((1 << (64 - bits)) - 1)
