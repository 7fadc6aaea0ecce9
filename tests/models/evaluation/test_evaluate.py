import numpy as np
import pytest

from models.evaluation.evaluate import RankingSettings, ScoresError, evaluate, standard_slices
from models.evaluation.report import EvaluationReport, Measure, Rivals
from tests.models.evaluation.worlds import TableScorer, make_cases, make_catalogue

SETTINGS = RankingSettings(ks=(1, 2), resamples=100, batch_users=2)
CASES = make_cases([([1], [2, 5]), ([1, 2, 3], [4]), ([2], [3])])
CATALOGUE = make_catalogue(5, cold=[5])
SLICES = standard_slices(CASES, CATALOGUE, short_history=1)

PERFECT = TableScorer(
    np.array([[0, 0, 2, 0, 0, 1], [0, 0, 0, 0, 9, 0], [0, 0, 0, 9, 0, 0]], np.float32), name="perfect"
)
CONSTANT = TableScorer(np.ones((3, 6), np.float32), name="constant")


def test_every_slice_counts_its_own_targets_and_users() -> None:
    report = evaluate([PERFECT, CONSTANT], CASES, CATALOGUE, SLICES, SETTINGS)
    perfect, constant = report.scorers["perfect"], report.scorers["constant"]
    assert (report.users, report.targets, report.items) == (3, 4, 5)
    assert report.rivals == Rivals(fewest=1, median=2.0)
    assert perfect["overall"]["ndcg@1"].mean == 1.0
    assert perfect["overall"]["recall@1"].mean == pytest.approx((1 / 2 + 1 + 1) / 3)
    assert perfect["overall"]["ndcg@1"].n == 3
    assert perfect["short_history"]["ndcg@1"].n == 2
    # User 0's cold target is second in the list that they see.
    assert {m: perfect["cold"][m].mean for m in ("hr@1", "hr@2", "mrr")} == {"hr@1": 0, "hr@2": 1, "mrr": 1 / 2}
    assert perfect["cold"]["hr@1"].n == 1
    assert constant["overall"]["hr@1"].mean == 0.0
    assert perfect["overall"]["coverage@1"].mean == pytest.approx(3 / 5)
    assert perfect["overall"]["coverage@1"].low is None


def test_differences_are_paired_and_against_the_first_scorer() -> None:
    report = evaluate([PERFECT, CONSTANT], CASES, CATALOGUE, SLICES, SETTINGS)
    difference = report.difference("constant", "ndcg@1")
    assert difference == Measure(mean=1.0, low=1.0, high=1.0, n=3)
    assert report.candidate == "perfect"
    assert report.scorers["perfect"]["overall"]["ndcg@1"].clearly_above(report.scorers["constant"]["overall"]["ndcg@1"])


def test_every_two_contestants_are_compared_user_by_user_as_each_is_with_the_candidate() -> None:
    random = TableScorer(np.random.default_rng(0).random((3, 6)).astype(np.float32), name="random")
    again = TableScorer(random.table, name="again")
    scorers, contestants = [PERFECT, CONSTANT, random, again], ("perfect", "random", "again")
    report = evaluate(scorers, CASES, CATALOGUE, SLICES, SETTINGS, contestants=contestants)
    for first in contestants:
        turned = evaluate(sorted(scorers, key=lambda scorer: scorer.name != first), CASES, CATALOGUE, SLICES, SETTINGS)
        for second in set(contestants) - {first}:
            for metric in ("ndcg@2", "mrr"):
                assert report.paired_difference(first, second, metric) == turned.difference(second, metric)
    assert report.paired_difference("random", "again", "ndcg@1") == Measure(mean=0.0, low=0.0, high=0.0, n=3)
    assert report.paired_difference("perfect", "constant", "ndcg@1") is None
    assert report.paired_difference("perfect", "random", "ndcg@7") is None


def test_a_report_survives_json() -> None:
    report = evaluate([PERFECT, CONSTANT], CASES, CATALOGUE, SLICES, SETTINGS, contestants=("perfect", "constant"))
    assert EvaluationReport.model_validate_json(report.model_dump_json()) == report


def test_a_slice_without_users_is_left_out() -> None:
    slices = standard_slices(CASES, make_catalogue(5), short_history=0)
    report = evaluate([PERFECT], CASES, CATALOGUE, slices, SETTINGS)
    assert list(report.scorers["perfect"]) == ["overall"]
    assert report.measure("perfect", "ndcg@1", "cold") is None


def test_progress_is_told_batch_by_batch() -> None:
    told: list[tuple[str, int, int]] = []
    evaluate([PERFECT], CASES, CATALOGUE, SLICES, SETTINGS, lambda *batch: told.append(batch))
    assert told == [("perfect", 2, 3), ("perfect", 3, 3)]


def test_nan_names_the_scorer_and_the_user() -> None:
    table = np.ones((3, 6), np.float32)
    table[2, 4] = np.nan
    with pytest.raises(ScoresError, match="'broken' gave NaN for user 2"):
        evaluate([TableScorer(table, "broken")], CASES, CATALOGUE, SLICES, SETTINGS)


def test_wrong_shapes_names_rows_and_metrics_are_refused() -> None:
    with pytest.raises(ScoresError, match=r"\(2, 5\) where \(2, 6\)"):
        evaluate([TableScorer(np.ones((3, 5), np.float32))], CASES, CATALOGUE, SLICES, SETTINGS)
    with pytest.raises(ValueError, match=r"\['perfect', 'perfect'\]"):
        evaluate([PERFECT, PERFECT], CASES, CATALOGUE, SLICES, SETTINGS)
    with pytest.raises(ValueError, match="index 5, but the catalogue has 4"):
        evaluate([PERFECT], CASES, make_catalogue(4), SLICES, SETTINGS)
