"""How much of a score is personal, and how much popularity: five numbers that are learned."""

from math import log

import torch
from torch import Tensor, nn

from models.heads.evidence import Evidence

SCALE = 4.0
"""Of what is personal, before training."""

UNSEEN = 0.1
"""What an item without an interaction counts as, in interactions of an average item."""

HALF_A_DAY, SEVEN = 2.5, 2.0
"""The middle of silence and of history, as `Evidence` has them: what is learned of the slopes, and of the scale in the
middle, do not stand in each other's way."""


class Balance(nn.Module):
    """The weight of popularity, and the scale of what is personal: it depends on what a state rests on.

    What somebody did a minute ago tells more of what comes next than what they did a year ago, and fifty interactions
    tell more than one; a state's direction does not say how much it can know.

    Attributes:
        new: Log popularity, in those of an average item, of an item that is too new to have an ID. Nobody can count
            it yet, but it is learned: in one shop all come for what is new, in another nobody does. Until then it is
            that of an average item: a model begun lower ends lower, as a single number moves little in so few steps.
    """

    def __init__(self) -> None:
        super().__init__()
        self.new = nn.Parameter(torch.zeros(()))
        self.log_scale = nn.Parameter(torch.tensor(log(SCALE)))
        self.by_silence = nn.Parameter(torch.zeros(()))
        self.by_history = nn.Parameter(torch.zeros(()))
        self.popularity = nn.Parameter(torch.ones(()))

    def personal(self, evidence: Evidence) -> Tensor:
        """(L,) positive scale of what is personal in L states."""
        silence = evidence.silence / HALF_A_DAY - 1
        history = evidence.history / SEVEN - 1
        return (self.log_scale + self.by_silence * silence / 2 + self.by_history * history).exp()
