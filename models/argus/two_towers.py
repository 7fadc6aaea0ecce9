"""Two towers made of ARGUS: vectors of users and items, which a key-value store can serve (ARGUS spec section 4)."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from models.argus.examples import ArgusExamples
from models.argus.impressions import ImpressionBatch
from models.argus.model import Argus
from models.argus.predictions import parts_of
from models.argus.two_towers_config import TwoTowersConfig
from models.interactions import Interactions
from models.mlp import mlp


class TwoTowers(Argus):
    """The encoder of ARGUS with a head for the vector of a user and one for that of an item, in place of its own.

    A user vector follows from what had happened by some moment alone. It knows nothing of the request that it will
    answer, so that it can be made once and kept; the same holds for an item vector.

    Args:
        config: Shape and function of the model.
        items, trained, content: As in `models.argus.towers.ArgusItemTower`.
    """

    config: TwoTowersConfig
    of_items: Tensor

    def __init__(
        self, config: TwoTowersConfig, items: int, trained: Tensor | None = None, content: Tensor | None = None
    ) -> None:
        super().__init__(config, items, trained, content)
        # Weights that nothing reads would stop several workers.
        self.next_item = self.told = self.start = None
        self.user_vector = mlp(config.width, config.hidden, config.output_width)
        self.item_vector = mlp(config.width, config.hidden, config.output_width)
        # What else is known of each item; it is kept with the weights, as nobody is asked for it at a request.
        self.register_buffer("of_items", torch.zeros(items + 1, len(config.of_role("item")), dtype=torch.int64))

    def view(self, batch: ImpressionBatch, generator: torch.Generator | None) -> "Shown":  # type: ignore[override]
        """What objectives see of a batch.

        Raises:
            ValueError: a row is longer than the model reads.
        """
        _, _, states = self.read(batch.histories, generator)
        users = self.users_of(states[self._after(batch.states)])
        return Shown(batch, (users * self.vectors(batch.items, generator)).sum(1))

    def users_of(self, states: Tensor) -> Tensor:
        """(T, width) states -> (T, output_width) user vectors, in fp32."""
        vectors: Tensor = self.user_vector(states)
        return vectors.float() * self.config.output_width**-0.5

    def vectors(self, items: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """(T,) item indices -> (T, output_width) item vectors, in fp32."""
        masked = None
        if self.training and self.items.keys is not None and self.items.id_masking:
            masked = torch.rand(items.shape, generator=generator, device=items.device) < self.items.id_masking
        vectors: Tensor = self.item_vector(self.items(items, masked) + self.shown(self.of_items[items]))
        return vectors.float()

    @torch.no_grad()
    def users(self, histories: Interactions, device: str = "cpu") -> Tensor:
        """(B, output_width) the vectors of B users, each made of the last interactions of a history; 0 without any.

        Args:
            histories: With `started` and the columns that the model reads (`models.argus.scoring.completed`).
        """
        lengths = histories.lengths
        vectors = torch.zeros(len(lengths), self.config.output_width)
        some = np.flatnonzero(lengths)
        if not len(some):
            return vectors
        histories = histories.take(some, last=self.config.max_length)
        last = np.zeros(len(histories.timestamps), bool)
        last[histories.offsets[1:] - 1] = True
        examples = ArgusExamples(histories, self.config, last)
        for part in parts_of(examples):
            batch = examples.batch(part).to(device)
            _, _, states = self.read(batch, None)
            vectors[some[part]] = self.users_of(states[self._after(batch.offsets[1:] - 1)]).cpu()
        return vectors

    def _after(self, places: Tensor) -> Tensor:
        """Where the states stand that are made of all of the interactions at `places`."""
        return self.config.tokens * places + self.config.tokens - 1


@dataclass(frozen=True)
class Shown:
    """What objectives see of a batch of impressions.

    Attributes:
        scores: (T,) fp32 user vector times item vector.
    """

    batch: ImpressionBatch
    scores: Tensor
