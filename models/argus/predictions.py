"""What a model says of interactions, and what was true of them."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.argus.examples import ArgusExamples
from models.argus.model import Argus, Asked
from models.examples import Examples

TOKENS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Predictions:
    """T interactions that were asked about, in the order of their examples.

    Attributes:
        users: (T,) int64 position of the user of each.
        items: (T,) int64 item index.
        labels: (T, factors) int64 the class of each factor, -1 where it is not known.
        logits: Of each factor, (T, classes) float32 log probabilities.
        next_item: (P,) float32 loss of those P whose item training has seen; empty where it was not asked for.
        unigram: (P,) float32 the loss of who knows but how often each item occurs, against the same draws.
        next_users: (P,) int64 position of the user of each of the P.
    """

    users: np.ndarray
    items: np.ndarray
    labels: np.ndarray
    logits: list[np.ndarray]
    next_item: np.ndarray
    unigram: np.ndarray
    next_users: np.ndarray


class Question(Protocol):
    """How the next item is asked for."""

    generator: torch.Generator

    def losses(self, view: Asked) -> tuple[Tensor, Tensor, Tensor]:
        """(P,) each: the model's, that of frequencies, and the number of the user."""


@torch.no_grad()
def predict(
    model: Argus, examples: ArgusExamples, device: str = "cpu", question: Question | None = None
) -> Predictions:
    """Asks `model` about all `examples`; leaves it in the mode (training or not) it came in.

    Args:
        question: How the next item is asked for; None: it is not.
    """
    mode = model.training
    model.eval()
    told: list[tuple[Tensor, ...]] = []
    chosen: list[tuple[Tensor, ...]] = []
    for part in parts_of(examples):
        batch = examples.batch(part).to(device)
        view = model.view(batch, None if question is None else question.generator)
        said = [part.float().log_softmax(-1).cpu() for part in model.by_factor(view.logits)]
        told.append((view.users.cpu(), view.next_items.cpu(), batch.labels.cpu(), *said))
        if question is not None and model.next_item is not None:
            chosen.append(tuple(values.cpu() for values in question.losses(view)))
    model.train(mode)
    users, items, labels, *logits = (torch.cat(parts).numpy() for parts in zip(*told, strict=True))
    none = (torch.zeros(0), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    ours, theirs, whose = (torch.cat(parts).numpy() for parts in zip(*(chosen or [none]), strict=True))
    return Predictions(users, items, labels, logits, ours, theirs, whose)


def parts_of(examples: Examples) -> list[np.ndarray]:
    """Batches of the examples in order, as many at once as have some tokens; whoever is longer alone."""
    done = np.cumsum(examples.epoch(0).lengths)
    edges = np.searchsorted(done, np.arange(TOKENS_AT_ONCE, done[-1], TOKENS_AT_ONCE))
    return [part for part in np.split(np.arange(len(done)), np.unique(edges)) if len(part)]
