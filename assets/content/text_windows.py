"""Texts that are longer than an encoder reads, taken apart into windows that it does read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from storage.vectors import Matrix, normalised

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


@dataclass(frozen=True)
class Windows:
    """Attributes:
    texts: Windows of all texts, in order.
    owners: (len(texts),) int64 the text that each is of.
    weights: (len(texts),) float32 how many tokens each has.
    cut_short: How many texts have more windows than are read, so that their end is lost.
    """

    texts: list[str]
    owners: np.ndarray
    weights: np.ndarray
    cut_short: int

    def averaged(self, vectors: Matrix, count: int) -> Matrix:
        """(count, d) float32 of length 1: of each text the mean over its windows, by their tokens."""
        total = np.zeros((count, vectors.shape[1]), np.float32)
        np.add.at(total, self.owners, vectors * self.weights[:, None])
        return normalised(total)


def windows_of(texts: Sequence[str], model: SentenceTransformer, most: int) -> Windows:
    """Windows of as many tokens as the model reads; a text that it reads whole stays as it is.

    Args:
        most: Windows of one text at most.
    """
    tokenizer, limit = model.tokenizer, model.max_seq_length
    if not texts or limit is None or not getattr(tokenizer, "is_fast", False):
        # What a tokenizer without offsets cuts, nobody can say.
        return Windows(list(texts), np.arange(len(texts)), np.ones(len(texts), np.float32), 0)
    size = max(1, limit - tokenizer.num_special_tokens_to_add())
    tokens = tokenizer(
        list(texts), add_special_tokens=False, truncation=False, return_offsets_mapping=True, verbose=False
    )
    parts: list[str] = []
    owners: list[int] = []
    weights: list[int] = []
    cut_short = 0
    for owner, (text, places) in enumerate(zip(texts, tokens["offset_mapping"], strict=True)):
        starts = range(0, max(1, len(places)), size)
        cut_short += len(starts) > most
        for start in starts[:most]:
            some = places[start : start + size]
            parts.append(text[some[0][0] : some[-1][1]] if len(starts) > 1 else text)
            owners.append(owner)
            weights.append(max(1, len(some)))
    return Windows(parts, np.array(owners, np.int64), np.array(weights, np.float32), cut_short)
