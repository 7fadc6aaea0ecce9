"""Next-item prediction as examples: a user each, of whose interactions each is to be told from those before it."""

from dataclasses import dataclass

import numpy as np
import torch

from models.batch import JaggedBatch, Labels, training_batch
from models.config.training import TrainingConfig
from models.examples import Epoch
from models.interactions import Interactions
from models.stochastic_length import StochasticLength
from models.windows import Windows


@dataclass(frozen=True)
class NextItems:
    """A training batch: inputs, and what comes next at every position."""

    inputs: JaggedBatch
    labels: Labels

    def __len__(self) -> int:
        """Positions that are learned from."""
        return len(self.labels.item_index)

    def to(self, device: torch.device | str) -> "NextItems":
        return NextItems(self.inputs.to(device), self.labels.to(device))


class NextItemExamples:
    """The users with two known interactions.

    Args:
        histories: Of all users, oldest first.
        max_length: Most interactions that the model reads.
        config: How histories are cut and shortened.

    Raises:
        ValueError: no user has two interactions, so nothing can be learned.
    """

    def __init__(self, histories: Interactions, max_length: int, config: TrainingConfig) -> None:
        known = histories.known()
        users = np.flatnonzero(known.lengths >= 2)
        if not len(users):
            raise ValueError(
                f"none of the {len(histories)} users has two known interactions: there is nothing to learn from"
            )
        # They stay where they are, which may be a file: nothing as long as the log is copied.
        self._histories, self._users, self._max_length, self._config = known, users, max_length, config

    def epoch(self, epoch: int) -> Epoch:
        """One user an example, cut and shortened as this epoch has it."""
        histories, users, config, max_length = self._histories, self._users, self._config, self._max_length
        whole = histories.lengths[users]
        lengths = np.minimum(whole - 1, max_length)
        shortening = StochasticLength(config.stochastic_length, max_length, config.seed, epoch)
        everybody = np.arange(len(users))
        windows = Windows(config.windows, max_length, config.seed, epoch, config.epochs)
        skipped = windows.skipped(everybody, whole)

        def batch(chosen: np.ndarray) -> NextItems:
            inputs, labels = training_batch(
                histories, users[chosen], max_length, skipped[chosen], shortening, numbers=chosen
            )
            return NextItems(inputs, labels)

        return Epoch(shortening.kept_lengths(everybody, lengths), lengths, batch)
