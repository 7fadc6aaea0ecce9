"""From a training set to what the evaluation asks: cases, training histories, candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from models.availability import GONE_FROM
from models.columns import AVAILABLE_FROM, ITEM_ID

if TYPE_CHECKING:
    from assets.training.dataset import HeldOut
    from models.evaluation.cases import EvaluationCases
    from models.evaluation.report import Protocol
    from models.evaluation.scorer import Catalogue
    from models.interactions import Interactions
    from models.vocabulary import Vocabulary


MOST_WITHOUT_RIVALS = 0.1
"""A few people may have had everything that a small shop offers; if many have, their times or the items' are wrong."""


class NoRivals(ValueError):
    """Targets stand alone, so that every scorer would be right; the message says what to look at."""


@dataclass(frozen=True)
class Questions:
    """One split in terms of one vocabulary: what the baselines learn from, and what every scorer is asked.

    Attributes:
        cases: Of each protocol that has any; every case has a rival (`models.evaluation.ranking.rivals`).
        without_rivals: Of each of those protocols, how many cases had none and were left out.
    """

    training: Interactions
    cases: dict[Protocol, EvaluationCases]
    without_rivals: dict[Protocol, int]
    catalogue: Catalogue


def make_questions(held_out: HeldOut, items: pl.DataFrame, vocabulary: Vocabulary) -> Questions:
    """Args:
    held_out: What the training set of the candidate holds to ask it.
    items: `item_id`, `available_from` of the catalogue, one row per item; `gone_from`, where it is known.
    vocabulary: The candidate's vocabulary; a target that it lacks counts as a miss of every scorer.

    Raises:
        NoRivals: more than a few cases have nothing that their targets could be ranked against.
    """
    from models.evaluation.scorer import Catalogue

    training = held_out.training
    trained = np.bincount(training.item_index, minlength=len(vocabulary) + 1) > 0
    available = np.minimum(_available_from(items, vocabulary), _first_chosen(held_out, len(vocabulary)))
    gone_from, known = _gone_from(items, vocabulary), vocabulary.known if len(vocabulary.unlisted) else None
    catalogue = Catalogue(available_from=available, cold=~trained, gone_from=gone_from, known=known)
    cases = {name: _with_rivals(every, catalogue, name) for name, every in held_out.cases.items()}
    without = {name: len(every) - len(cases[name]) for name, every in held_out.cases.items()}
    return Questions(training, cases, without, catalogue)


def _with_rivals(cases: EvaluationCases, catalogue: Catalogue, protocol: Protocol) -> EvaluationCases:
    """The cases that ask anything: with no other item to choose, every scorer has the target in the first place."""
    from models.evaluation.ranking import rivals

    some = rivals(cases, catalogue) > 0
    none = len(cases) - int(some.sum())
    if none > MOST_WITHOUT_RIVALS * len(cases):
        raise NoRivals(
            f"{none} of {len(cases)} cases ({protocol}) have no rival: no item but the target was available at their "
            f"time, though {catalogue.offered} are known; look at `available_from` in the table `items`"
        )
    return cases.take(np.flatnonzero(some)) if none else cases


def _available_from(items: pl.DataFrame, vocabulary: Vocabulary) -> np.ndarray:
    """(n+1,) int64 ms by the catalogue; 0 for items that it does not know or gives no time."""
    times = np.zeros(len(vocabulary) + 1, np.int64)
    times[vocabulary.indices(items[ITEM_ID])] = items[AVAILABLE_FROM].dt.epoch("ms").fill_null(0).to_numpy()
    times[0] = 0
    return times


def _gone_from(items: pl.DataFrame, vocabulary: Vocabulary) -> np.ndarray | None:
    """(n+1,) int64 ms, far ahead for items that are not gone; None where nothing is."""
    gone = items.drop_nulls(GONE_FROM) if GONE_FROM in items.columns else items.clear()
    if gone.is_empty():
        return None
    times = np.full(len(vocabulary) + 1, np.iinfo(np.int64).max)
    times[vocabulary.indices(gone[ITEM_ID])] = gone[GONE_FROM].dt.epoch("ms").to_numpy()
    return times


def _first_chosen(held_out: HeldOut, items: int) -> np.ndarray:
    """(n+1,) int64 ms of the first positive before the cutoff: what was chosen was there, whatever the catalogue says.

    A catalogue that came later than the log knows its items from its own first day only.
    """
    first = np.full(items + 1, np.iinfo(np.int64).max)
    np.minimum.at(first, held_out.training.item_index, held_out.training.timestamps)
    if "leave_one_out" in held_out.cases:
        cases = held_out.cases["leave_one_out"]
        np.minimum.at(first, cases.targets, cases.request_times[cases.target_cases])
    return first
