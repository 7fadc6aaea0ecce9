"""Different values of a tensor, and where each stands among them."""

import torch
from torch import Tensor


def distinct(values: Tensor, bound: int) -> tuple[Tensor, Tensor]:
    """What is among `values`, without sorting them: a table of all that may be costs less than a sort of all that is.

    Args:
        values: int64 0..bound - 1 of any shape.
        bound: One more than the greatest value there can be.

    Returns:
        (U,) int64 the different values, ascending; (bound,) int64 the place of each among them, -1 if it is not there.
    """
    present = torch.zeros(bound, dtype=torch.bool, device=values.device).index_fill_(0, values.flatten(), True)
    different = present.nonzero().squeeze(1)
    columns = torch.full((bound,), -1, device=values.device)
    columns[different] = torch.arange(len(different), device=values.device)
    return different, columns
