"""When a training has lost what it had learned, as all of its workers see it."""

import torch
from torch import Tensor, nn

LOOK_EVERY = 32
"""Steps whose mean loss is looked at together: that of a single step says little, and to read it may mean to wait."""

LEAST_LEARNED = 0.2
"""A loss that fell by less than this share of the first one counts as fallen by it, or noise would be a spike."""


class Diverged(FloatingPointError):
    """Training broke off in all workers alike: its loss rose, or loss or model are no longer finite."""


class LossWatch(nn.Module):
    """How low the loss has been. Its two numbers are buffers, so that they are kept with a checkpoint.

    Args:
        spike: A loss that rose by this share of what it had fallen is a spike; 0: none is.
    """

    first: Tensor
    lowest: Tensor

    def __init__(self, spike: float) -> None:
        super().__init__()
        self.spike = spike
        for name in ("first", "lowest"):
            self.register_buffer(name, torch.tensor(torch.inf, dtype=torch.float64))

    def look(self, loss: Tensor, epoch: int) -> None:
        """Takes the mean loss () of the last steps of all workers, which are in their `epoch`, counted from 1.

        Raises:
            Diverged: it is not finite, or a spike.
        """
        check_finite(loss, "loss", epoch)
        if self.first.isinf():
            self.first.copy_(loss)
        fallen = torch.maximum(self.first - self.lowest, LEAST_LEARNED * self.first.abs())
        if self.spike and loss > self.lowest + self.spike * fallen:
            raise Diverged(
                f"the loss rose to {float(loss):.3f} in epoch {epoch}, after it had been down to "
                f"{float(self.lowest):.3f}: lower the learning rate"
            )
        self.lowest.copy_(torch.minimum(self.lowest, loss))


def check_finite(value: Tensor, name: str, epoch: int) -> None:
    """Raises `Diverged` where any number of `value` is not finite; epochs are counted from 1."""
    if not torch.isfinite(value).all():
        raise Diverged(f"the {name} is no longer finite in epoch {epoch}: lower the learning rate")
