"""Where negatives come from."""

import torch
from torch import Tensor


def uniform(items: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Rows 1..items drawn uniformly with replacement: int64 of `shape`."""
    return torch.randint(1, items + 1, shape, generator=generator, device=generator.device)


def in_batch(rows: Tensor, items: int, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Draws with replacement from the items among `rows`, each as likely as any other, however often it occurs.

    Args:
        rows: int64 rows 1..items of any shape.
        items: Greatest row there can be.
        shape: What to draw.
        generator: Lives on the device of `rows`.

    Returns:
        int64 of `shape`.
    """
    present, _ = distinct(rows, items + 1)
    return present[torch.randint(len(present), shape, generator=generator, device=generator.device)]


def distinct(values: Tensor, bound: int) -> tuple[Tensor, Tensor]:
    """What is among `values`, without sorting them: a table of all that may be costs less than a sort of all that is.

    Args:
        values: int64 0..bound - 1 of any shape.
        bound: One more than the greatest value there can be.

    Returns:
        (U,) int64 the different values, ascending; (bound,) int64 the place of each among them, -1 if it is not there.
    """
    present = torch.zeros(bound, dtype=torch.bool, device=values.device).index_fill_(0, values.flatten(), True)
    return present.nonzero().squeeze(1), torch.where(present, present.cumsum(0) - 1, -1)
