"""Where negatives come from."""

import torch
from torch import Tensor


def uniform(items: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Rows 1..items drawn uniformly with replacement: int64 of `shape`."""
    return torch.randint(1, items + 1, shape, generator=generator, device=generator.device)
