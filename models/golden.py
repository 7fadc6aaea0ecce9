"""Golden requests: what a version answered when it was made, so that whoever loads it can tell that it still does.

They are made up from nothing but the size of the model, because a version must keep nobody's history.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.columns import ACTIONS, ITEM_INDEX, TIMESTAMP
from models.families.family import TrainedFamily
from models.interactions import Interactions
from models.top_k import top_k_of_each

if TYPE_CHECKING:
    from models.artifact import Artifact

LONGEST = 64
BEST = 10
AT_ONCE = 8
ASKED_AT_MS = 1_767_225_600_000
LONGEST_GAP_MS = 30 * 24 * 60 * 60 * 1000

TOLERANCE = 1e-3
"""Largest difference of a score, in parts of it where it is above 1. Of a cosine, other processors, threads and kernels
change less than 1e-5."""

SAME = 1e-6


class GoldenError(ValueError):
    """A version does not answer as it did when it was made; the message says how."""


@dataclass(frozen=True)
class Golden:
    """B synthetic requests and what the model answered that was trained.

    Attributes:
        histories: Of the requests, all of known items.
        items: (B, K) int64 indices of the best items, best first.
        scores: (B, K) float32 their scores; NaN where the model could not answer.
    """

    histories: Interactions
    items: Tensor
    scores: Tensor

    def write(self, path: Path) -> None:
        asked = self.histories
        arrays = {
            "history_item_index": asked.item_index,
            "history_timestamps": asked.timestamps,
            "history_offsets": asked.offsets,
        }
        answers = {"items": self.items.contiguous(), "scores": self.scores.contiguous()}
        save_file({name: torch.from_numpy(array) for name, array in arrays.items()} | answers, path)

    @classmethod
    def read(cls, path: Path) -> Golden:
        """What `write` wrote."""
        held = load_file(path)
        items, timestamps, offsets = (
            held[f"history_{name}"].numpy() for name in ("item_index", "timestamps", "offsets")
        )
        columns = {ITEM_INDEX: items, TIMESTAMP: timestamps, ACTIONS: np.zeros(len(items), np.int32)}
        return cls(Interactions(offsets, columns), held["items"], held["scores"])


def golden_requests(artifact: Artifact) -> Golden:
    """Synthetic requests that fit `artifact`, with its answers as it stands in memory."""
    count = len(artifact.vocabulary.known_items)
    asked = _synthetic(artifact) if count else Interactions.of([])
    best = min(BEST, count)
    items, scores = [torch.zeros(0, best, dtype=torch.int64)], [torch.zeros(0, best)]
    try:
        for part in _answers(artifact, asked):
            items.append(_best_items(part, best))
            scores.append(part.gather(1, items[-1]))
    except ValueError:
        return Golden(asked, torch.ones(len(asked), best, dtype=torch.int64), torch.full((len(asked), best), torch.nan))
    return Golden(asked, torch.cat(items), torch.cat(scores))


def check_golden(artifact: Artifact, golden: Golden) -> None:
    """Asks the golden requests again.

    Raises:
        GoldenError: the scores are not finite, or are others than those of the model when it was made; or, of a model
            that was trained, do not depend on item or history. One that was fitted may have had nothing to tell.
    """
    best, given, some, spread = [], [], [], [0.0]
    known = artifact.vocabulary.known_items
    try:
        for part, listed in zip(_answers(artifact, golden.histories), golden.items.split(AT_ONCE), strict=True):
            best.append(part.gather(1, _best_items(part, listed.shape[1])))
            given.append(part.gather(1, listed))
            some.append(part[:, golden.items[0]])
            spread.append(float((part[:, known].amax(1) - part[:, known].amin(1)).max()))
    except ValueError as error:
        raise GoldenError(str(error)) from error
    if len(known) > 1 and isinstance(artifact.family, TrainedFamily):
        _refuse_constant(artifact, max(spread), torch.cat(some))
    differences = (torch.cat(given) - golden.scores).abs(), (torch.cat(best) - golden.scores).abs()
    worst = float((torch.maximum(*differences) / golden.scores.abs().clamp(min=1)).max())
    if not worst <= TOLERANCE:
        raise GoldenError(
            f"version {artifact.version} does not answer as it did when it was made (a score differs by {worst:.2g}, "
            f"{TOLERANCE:g} is allowed): its files were changed or damaged, train it again"
        )


def _best_items(scores: Tensor, k: int) -> Tensor:
    """(B, k) int64 indices of the highest of the `scores` (B, n + 1), best first."""
    return torch.from_numpy(top_k_of_each(scores.numpy(), np.ones(scores.shape, bool), k))


def _synthetic(artifact: Artifact) -> Interactions:
    """Interactions of every length up to LONGEST, of any known items, with gaps from a second to a month."""
    random, known = np.random.default_rng(0), artifact.vocabulary.known_items
    longest = max(1, min(artifact.model.config.max_length, LONGEST))
    lengths = 1 + np.arange(artifact.family.golden_requests) % longest
    requests = []
    for length in lengths.tolist():
        gaps = np.exp(random.uniform(np.log(1000), np.log(LONGEST_GAP_MS), length)).astype(np.int64)
        requests.append((known[random.integers(0, len(known), length)], ASKED_AT_MS - np.cumsum(gaps)[::-1]))
    return Interactions.of(requests)


def _answers(artifact: Artifact, asked: Interactions) -> Iterator[Tensor]:
    """(AT_ONCE, n + 1) scores of some requests after the other, because all of them would take much memory."""
    for start in range(0, len(asked), AT_ONCE):
        part = np.arange(start, min(start + AT_ONCE, len(asked)))
        yield artifact.family.score(artifact, asked.take(part), np.full(len(part), ASKED_AT_MS))


def _refuse_constant(artifact: Artifact, spread: float, some: Tensor) -> None:
    if spread <= SAME:
        raise GoldenError(f"version {artifact.version} gives every item the same score: train it again")
    if float((some - some[0]).abs().max()) <= SAME:
        raise GoldenError(f"version {artifact.version} gives every history the same answer: train it again")
