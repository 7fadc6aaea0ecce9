"""Normalised entropy: the mean log loss over that of who knows but the frequencies (He et al. 2014). Less is better."""

import numpy as np
from numpy.typing import NDArray

from models.argus.predictions import Predictions
from models.evaluation.intervals import draw_counts
from models.evaluation.report import Measure

FloatArray = NDArray[np.float64]


def next_item_entropy(said: Predictions) -> float:
    """Of the next item, against how often each item occurs among the same negatives."""
    return float(said.next_item.sum(dtype=np.float64) / said.unigram.sum(dtype=np.float64))


def feedback_losses(said: Predictions, place: int) -> tuple[NDArray[np.int64], FloatArray, FloatArray]:
    """Of the factor at `place`, for the P interactions with a class: users, losses, and those of the frequencies.

    The frequencies are of these P. Where all are of one class, the latter are 0.
    """
    labels = said.labels[:, place]
    labelled = labels >= 0
    own = labels[labelled]
    shares = np.bincount(own, minlength=said.logits[place].shape[1]) / max(len(own), 1)
    with np.errstate(divide="ignore"):
        frequencies = -np.log(shares)[own]
    losses = -said.logits[place][labelled, own].astype(np.float64)
    return said.users[labelled], losses, np.abs(frequencies)


def feedback_entropies(said: Predictions) -> list[float]:
    """Of each factor; NaN where all interactions with a class are of one, or there is none."""
    values = []
    for place in range(len(said.logits)):
        _, losses, frequencies = feedback_losses(said, place)
        values.append(float(losses.sum() / frequencies.sum()) if frequencies.sum() else float("nan"))
    return values


def ratio_over_users(
    users: NDArray[np.int64], above: NDArray[np.floating], below: NDArray[np.floating], resamples: int, seed: int
) -> Measure | None:
    """Sum of `above` over sum of `below`, each (P,), with its 95 % bootstrap interval over users; None for x/0."""
    if not len(users) or not float(below.sum(dtype=np.float64)):
        return None
    _, numbers = np.unique(users, return_inverse=True)
    count = int(numbers.max()) + 1
    tops, bottoms = (np.bincount(numbers, values, count) for values in (above, below))
    generator = np.random.default_rng(seed)
    ratios = []
    for _ in range(resamples):
        drawn = draw_counts(generator, 1, count)[0]
        if bottom := float(drawn @ bottoms):
            ratios.append(float(drawn @ tops) / bottom)
    low, high = (float(bound) for bound in np.percentile(ratios, [2.5, 97.5])) if ratios else (None, None)
    return Measure(mean=float(tops.sum() / bottoms.sum()), low=low, high=high, n=count)
