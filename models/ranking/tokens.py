"""The tokens of a ranking batch: contextual slots, history and candidates in one row."""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.jagged import token_places
from models.ranking.batch import RankingBatch


@dataclass(frozen=True)
class Tokens:
    """What the encoder embeds.

    Attributes:
        item_index: (L,) int64 indices in the vocabulary; 0 at contextual tokens.
        actions: (L,) int64 bit masks.
        times: (L,) int64 ms; 0 at contextual tokens, as published.
        candidate: (L,) bool.
    """

    item_index: Tensor
    actions: Tensor
    times: Tensor
    candidate: Tensor

    def at(self, index: Tensor) -> "Tokens":
        return Tokens(self.item_index[index], self.actions[index], self.times[index], self.candidate[index])


def tokens_of(batch: RankingBatch) -> tuple[Tokens, Tensor]:
    """The tokens of a batch, and their (B + 1,) offsets."""
    owner, places = token_places(batch.offsets)
    candidate = places >= (batch.offsets.diff() - batch.targets)[owner]
    slots = batch.context.shape[1]
    if not slots:
        return Tokens(batch.item_index, batch.actions, batch.timestamps, candidate), batch.offsets
    offsets = batch.offsets + slots * torch.arange(len(batch.offsets), device=batch.offsets.device)
    index = offsets[owner] + slots + places

    def spread(values: Tensor) -> Tensor:
        return values.new_zeros(len(values) + slots * len(batch.targets)).index_put((index,), values)

    return Tokens(spread(batch.item_index), spread(batch.actions), spread(batch.timestamps), spread(candidate)), offsets
