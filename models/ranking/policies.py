"""Policies that choose by a ranker's judgement, and what they would have chosen where something was shown."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from models.evaluation.off_policy import JudgedPolicy
from models.ranking.examples import RankingExamples
from models.ranking.predictions import TOKENS_AT_ONCE

GREEDY, SOFTMAX = "greedy", "softmax"
POLICIES = (GREEDY, SOFTMAX)


@dataclass(frozen=True)
class Choices:
    """What the policies would have done with R choices, by action: each policy chooses by the logits of one.

    Attributes:
        probabilities: Policy to (R, actions), that of what was shown.
        predicted: (R, actions) the ranker's probability of the action on what was shown.
        expected: Policy to (R, actions), the same on what the policy would have chosen, in the mean.
    """

    probabilities: dict[str, np.ndarray]
    predicted: np.ndarray
    expected: dict[str, np.ndarray]

    @classmethod
    def empty(cls, rows: int, actions: int) -> "Choices":
        """To be filled in."""
        probabilities, expected = ({name: np.empty((rows, actions)) for name in POLICIES} for _ in range(2))
        return cls(probabilities, np.empty((rows, actions)), expected)

    def put(self, rows: np.ndarray, shown: np.ndarray, logits: np.ndarray, temperature: float) -> None:
        """Fills in `rows`, which have S options in common.

        Args:
            rows: (n,) positions.
            shown: (n,) which of the options was shown.
            logits: (S, actions) of the options.
        """
        said = 1 / (1 + np.exp(-logits))
        self.predicted[rows] = said[shown]
        behind = logits - logits.max(axis=0)
        for name, wanted in ((GREEDY, behind == 0), (SOFTMAX, np.exp(behind / temperature))):
            chances = wanted / wanted.sum(axis=0)
            self.probabilities[name][rows] = chances[shown]
            self.expected[name][rows] = (chances * said).sum(axis=0)

    def policy(self, name: str, action: int) -> JudgedPolicy:
        """The policy `name` that chooses by the logits of the action at the position `action`."""
        return JudgedPolicy(
            self.probabilities[name][:, action], self.predicted[:, action], self.expected[name][:, action]
        )


@torch.no_grad()
def choices(
    model: nn.Module, examples: RankingExamples, rows: np.ndarray, places: np.ndarray, temperature: float
) -> Choices:
    """What greedy and softmax would have chosen among all items that were shown at the same place.

    Leaves the module in the mode (training or not) it came in.

    Args:
        rows: (R,) positions among the candidates of the examples.
        places: (T,) code of the place of each candidate, such as its surface.
        temperature: Of the softmax.
    """
    mode = model.training
    model.eval()
    _, codes = np.unique(places, return_inverse=True)
    options = [np.unique(examples.items[codes == code]) for code in range(int(codes.max()) + 1)]
    # Rows of one example at one place ask the same question.
    asked, question = np.unique(examples.numbers[rows] * len(options) + codes[rows], return_inverse=True)
    of_question = np.split(np.argsort(question, kind="stable"), np.cumsum(np.bincount(question))[:-1])
    lists = [options[code] for code in (asked % len(options)).tolist()]
    found = Choices.empty(len(rows), examples.taken().shape[1])
    for part in _parts(np.array([len(items) for items in lists]) + examples.longest_history):
        items = [lists[one] for one in part.tolist()]
        said = model(examples.requests(asked[part] // len(options), items)).double().numpy()
        ends = np.cumsum([len(each) for each in items])[:-1]
        for one, logits in zip(part.tolist(), np.split(said, ends), strict=True):
            mine = of_question[one]
            found.put(mine, np.searchsorted(lists[one], examples.items[rows[mine]]), logits, temperature)
    model.train(mode)
    return found


def _parts(lengths: np.ndarray) -> list[np.ndarray]:
    """The positions of all questions, in parts of about TOKENS_AT_ONCE tokens."""
    begins = np.flatnonzero(np.diff(np.cumsum(lengths) // TOKENS_AT_ONCE)) + 1
    return [part for part in np.split(np.arange(len(lengths)), begins) if len(part)]
