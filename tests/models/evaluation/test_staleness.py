"""States of some hours' age: what they hide, and that nothing else changes."""

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.evaluation.cases import EvaluationCases
from models.evaluation.evaluate import AGES_IN_HOURS, RankingSettings, evaluate
from models.heads.calendar import HOUR_MS
from models.interactions import Interactions
from tests.models.evaluation.worlds import TableScorer, make_cases, make_catalogue

SETTINGS = RankingSettings(ks=(1,), resamples=50, batch_users=2)
REQUEST = 100 * HOUR_MS


def cases(ages: list[list[float]]) -> EvaluationCases:
    """Users who chose item 1, 2, ... so many hours before their request, the oldest first, and item 9 after it."""
    return EvaluationCases(
        user_ids=pl.Series(range(len(ages))),
        histories=Interactions.of(
            [(range(1, len(some) + 1), [REQUEST - round(age * HOUR_MS) for age in some]) for some in ages]
        ),
        request_times=np.full(len(ages), REQUEST, np.int64),
        targets=np.full(len(ages), 9, np.int64),
        target_offsets=np.arange(len(ages) + 1),
    )


@dataclass(frozen=True)
class LongMemory:
    """Ranks the target as many places down as items of the history are missing to three; it must see only the past."""

    name: str = "memory"

    def score(self, cases: EvaluationCases) -> NDArray[np.float32]:
        scores = np.zeros((len(cases), 10), np.float32)
        scores[:, 9] = 0.5
        for user, known in enumerate(cases.histories.lengths):
            scores[user, 4 : 4 + 3 - known] = 1
        return scores


@given(st.lists(st.lists(st.floats(0, 90), max_size=5), min_size=1, max_size=4), st.floats(0, 95))
def test_only_what_happened_in_the_hours_before_is_hidden(ages: list[list[float]], hours: float) -> None:
    ages = [sorted(some, reverse=True) for some in ages]
    whole, age = cases(ages), round(hours * HOUR_MS)
    stale = whole.stale(age)
    kept = [sum(round(one * HOUR_MS) >= age for one in some) for some in ages]
    assert stale.histories.lengths.tolist() == kept
    assert stale.histories.item_index.tolist() == [item for some in kept for item in range(1, some + 1)]
    assert stale.known_until is not None
    assert stale.known_until.tolist() == [REQUEST - age] * len(ages)
    first = stale.take(np.array([0])).known_until
    assert first is not None
    assert first.tolist() == [REQUEST - age]
    assert (stale.targets == whole.targets).all()
    assert (stale.request_times == whole.request_times).all()


def test_the_curve_falls_by_what_is_hidden_and_by_nothing_else() -> None:
    asked = cases([[30, 10, 0.5], [80, 60, 50]])
    catalogue = make_catalogue(9)
    table = TableScorer(np.tile(np.arange(10, dtype=np.float32), (2, 1)))
    report = evaluate([LongMemory(), table], asked, catalogue, {}, SETTINGS, aged=["memory", "table"])
    memory = {point.hours: point.mrr.mean for point in report.staleness["memory"]}
    # The second user's items are older than two days; those of the first become three, two, two, one and none.
    means = {hours: (1 + 1 / (1 + gone)) / 2 for hours, gone in {0: 0, 1: 1, 6: 1, 24: 2, 48: 3}.items()}
    assert memory == pytest.approx(means)
    assert [point.shortened for point in report.staleness["memory"]] == [0.0, 0.5, 0.5, 0.5, 0.5]
    assert {point.mrr.mean for point in report.staleness["table"]} == {1.0}, "what was hidden became a candidate"
    assert report.staleness["memory"][0].mrr.low is not None
    assert tuple(memory) == (0, *AGES_IN_HOURS)


def test_what_was_chosen_a_minute_ago_is_not_recommended_however_old_the_state() -> None:
    asked = replace(make_cases([([1], [2])]), request_times=np.array([10], np.int64))
    prefers = TableScorer(np.array([[0, 9, 5, 1]], np.float32))
    report = evaluate([prefers], asked, make_catalogue(3), {}, SETTINGS, aged=["table"])
    assert {point.mrr.mean for point in report.staleness["table"]} == {1.0}


def test_nobody_has_no_curve() -> None:
    nobody = cases([[1]]).take(np.array([], np.int64))
    assert evaluate([LongMemory()], nobody, make_catalogue(9), {}, SETTINGS, aged=["memory"]).staleness == {}
