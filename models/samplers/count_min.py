"""How often each item occurs, estimated as it goes by: a count-min sketch (Cormode and Muthukrishnan 2005)."""

import torch
from torch import Tensor, nn

_ODD = 0x9E3779B97F4A7C15 - 2**64


class CountMinSketch(nn.Module):
    """Counters that forget: a few rows of them, in each of which a key has one counter that it may share with others.

    The least of a key's counters is the estimate, so it is never too low, and too high by e / columns of all that was
    counted with a probability of at most exp(-rows).

    Args:
        rows, columns: Of the counters.
        half_life: Calls of `add` after which an occurrence counts half.
    """

    counts: Tensor
    total: Tensor

    def __init__(self, rows: int, columns: int, half_life: float) -> None:
        super().__init__()
        self.kept = 0.5 ** (1 / half_life)
        self.register_buffer("counts", torch.zeros(rows, columns))
        self.register_buffer("total", torch.zeros(()))

    @torch.no_grad()
    def add(self, keys: Tensor) -> None:
        """Counts (k,) int64 keys, after all that was counted before has aged."""
        places = self._places(keys)
        self.counts.mul_(self.kept).scatter_add_(1, places, self.counts.new_ones(1).expand(places.shape))
        self.total.mul_(self.kept).add_(len(keys))

    @torch.no_grad()
    def share(self, keys: Tensor) -> Tensor:
        """(k,) the estimated share of each key in all that was counted; 0 before anything was."""
        return self.counts.gather(1, self._places(keys)).amin(0) / self.total.clamp(min=1e-9)

    def _places(self, keys: Tensor) -> Tensor:
        """(rows, k) the counter of each key in each row, by multiplying and keeping the high bits."""
        factors = _ODD * (2 * torch.arange(1, len(self.counts) + 1, device=keys.device) + 1)
        mixed = (keys.unsqueeze(0) + 1) * factors.unsqueeze(1)
        mixed = (mixed ^ ((mixed >> 32) & 0xFFFFFFFF)) * _ODD
        return ((mixed >> 33) & 0x7FFFFFFF) % self.counts.shape[1]
