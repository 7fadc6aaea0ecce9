"""How well ARGUS tells the next item, against frequencies under the same sampling (ARGUS spec section 6)."""

import numpy as np
import torch
from torch import Tensor

from models.argus.model import Asked
from models.config.losses import InteractionLossConfig
from models.objectives.next_interaction import NextInteraction, sampled_losses


class NextItemQuestion:
    """How well the next item is told, and how well by frequencies alone, among the same negatives.

    Corrected by logQ, both losses estimate those of a choice among all items, whatever the model was trained with.

    Args:
        config: How many negatives.
        counts: (n + 1,) how often each item occurred in training.
        seed: Of the draws.
    """

    def __init__(self, config: InteractionLossConfig, counts: np.ndarray, device: str, seed: int = 0) -> None:
        self.objective = NextInteraction(config).eval()
        self.generator = torch.Generator(device).manual_seed(seed)
        share = (counts + 1.0) / (counts.sum() + len(counts))
        self.log_share = torch.from_numpy(np.log(share)).float().to(device)

    def losses(self, view: Asked) -> tuple[Tensor, Tensor, Tensor]:
        """(P,) each: the model's, that of frequencies, and the number of the user."""
        at, draw = self.objective.drawn(view)
        if draw is None:
            return view.queries.new_zeros(0), view.queries.new_zeros(0), at
        ours = self.objective.losses(view, at, draw, "classic")
        known, negatives = self.log_share[view.next_items[at]], self.log_share[draw.items].unsqueeze(1)
        theirs = sampled_losses(known, torch.ones_like(known).unsqueeze(1), negatives, draw, "classic")
        return ours, theirs, view.users[at]
