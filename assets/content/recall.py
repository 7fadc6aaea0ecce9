"""How well images find their own text among the texts of others."""

from dataclasses import dataclass
from math import exp, lgamma, log, log1p

import numpy as np

from storage.vectors import Matrix

LEAST_IMAGES = 10
"""With fewer held-out images even a good tower cannot be told from chance."""


@dataclass(frozen=True)
class Recall:
    """Image-to-text retrieval over held-out pairs, no two of which share a picture or a text.

    Attributes:
        at_1: Share of images whose own text scores highest.
        at_10: Share of images whose own text is among the ten highest.
        candidates: Number of texts, so chance is 1 / candidates and 10 / candidates.
        p_value: Probability of at least this many first places by chance.
    """

    at_1: float
    at_10: float
    candidates: int
    p_value: float

    @property
    def chance_at_1(self) -> float:
        return 1 / self.candidates

    @property
    def chance_at_10(self) -> float:
        return min(1.0, 10 / self.candidates)


def image_to_text_recall(images: Matrix, texts: Matrix) -> Recall:
    """Scores (n, d) image vectors against the (n, d) text vectors of the same pairs, by dot product.

    A text that ties with the right one counts as ahead of it, so equal or undefined vectors score nothing.

    Raises:
        ValueError: there is no pair to score.
    """
    n = len(images)
    if n == 0:
        raise ValueError("no held-out (image, text) pair to score")
    scores = images @ texts.T
    ahead = n - 1 - (scores < np.diag(scores)[:, None]).sum(axis=1)
    hits = int((ahead < 1).sum())
    return Recall(hits / n, float((ahead < 10).mean()), n, binomial_tail(hits, n, 1 / n))


def binomial_tail(hits: int, trials: int, chance: float) -> float:
    """Probability of `hits` or more successes in `trials` draws of probability `chance`, summed in logarithms."""
    if hits == 0 or chance == 1:
        return 1.0
    odds = (
        lgamma(trials + 1) - lgamma(k + 1) - lgamma(trials - k + 1) + k * log(chance) + (trials - k) * log1p(-chance)
        for k in range(hits, trials + 1)
    )
    return min(1.0, sum(map(exp, odds)))
