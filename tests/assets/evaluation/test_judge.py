from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from assets.evaluation.judge import EvaluationError, judge
from assets.evaluation.oracle import KnownTruth
from assets.evaluation.records import record
from assets.evaluation.settings import EvaluationSettings
from assets.evaluation.verdicts import CHECKS, verdicts
from assets.lake import Lake
from assets.schema import EVALUATIONS_TABLE
from models.evaluation.report import VersionEvaluation
from tests.assets.evaluation.worlds import COLD_ITEM, CUTOFF, USERS, write_version, write_world
from tests.sequence_files import write_sequences

SETTINGS = EvaluationSettings(ks=(2, 5), metric="ndcg@2", resamples=100, leave_one_out_users=10, short_history=3)


@dataclass(frozen=True)
class OnlyTheNewItem:
    """A world in which every user wants item 12 on the day of the cutoff, and nothing on other days."""

    def expected_feedback(self, user_ids: np.ndarray, item_ids: np.ndarray, day: date) -> np.ndarray:
        wanted = (item_ids == COLD_ITEM) & (day == CUTOFF.date())
        return np.tile(wanted.astype(np.float32), (len(user_ids), 1))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    write_world(lake)
    return lake


def test_every_scorer_answers_the_same_questions(lake):
    folder, champion = write_version(lake, "new"), write_version(lake, "old", seed=1)
    twin = write_version(lake, "new", seed=2, folder="ablations")
    assert isinstance(OnlyTheNewItem(), KnownTruth)
    result = judge(lake, folder, SETTINGS, champion=champion, without_content=twin, truth=OnlyTheNewItem())
    report = result.report
    assert list(report.scorers) == ["hstu", "champion", "hstu_without_content", "popularity", "item_knn", "oracle"]
    assert (report.users, report.targets) == (USERS, USERS + USERS // 3)
    assert (result.version, result.champion, result.cutoff) == ("new", "old", CUTOFF)
    assert result.protocols["leave_one_out"].users == 10
    # Each third user has the new item among his targets, and it is the only cold one.
    assert report.measure("oracle", "hr@2", "cold").mean == 1.0
    assert report.measure("oracle", "hr@2", "cold").n == USERS // 3
    assert report.measure("popularity", "mrr", "cold").mean < 0.5
    assert "short_history" not in report.scorers["hstu"]


def test_equal_models_differ_by_nothing(lake):
    folder, champion = write_version(lake, "new", seed=3), write_version(lake, "old", seed=3)
    difference = judge(lake, folder, SETTINGS, champion=champion).report.difference("champion", "ndcg@2")
    assert (difference.mean, difference.low, difference.high) == (0, 0, 0)


def test_a_champion_that_has_seen_the_answers_is_left_out(lake):
    later = write_version(lake, "later", cutoff=CUTOFF + timedelta(days=1))
    result = judge(lake, write_version(lake, "new"), SETTINGS, champion=later)
    assert result.champion is None
    assert "champion" not in result.report.scorers


def test_an_empty_window_says_what_to_do(lake):
    folder = write_version(lake, "late", cutoff=CUTOFF + timedelta(days=7))
    with pytest.raises(EvaluationError, match=r"no user with a history has a new positive .* 2026-03-17"):
        judge(lake, folder, SETTINGS)


def test_the_split_is_made_of_the_sequences_that_the_version_was_trained_on(lake):
    folder = write_version(lake, "new")
    before = judge(lake, folder, SETTINGS)
    write_sequences(lake.root, lake.sequences().head(3).collect())
    assert _without_seconds(judge(lake, folder, SETTINGS)) == _without_seconds(before)


def test_records_are_replaced_version_by_version(lake):
    results = [judge(lake, write_version(lake, name, seed=seed), SETTINGS) for seed, name in enumerate("ab")]
    for result in (*results, results[0]):
        record(lake, result)
    table = lake.scan(EVALUATIONS_TABLE).collect()
    assert table.select(pl.struct("version", "protocol", "scorer", "slice", "metric").n_unique()).item() == table.height
    assert set(table["version"]) == {"a", "b"}
    row = table.filter(version="b", protocol="time", scorer="hstu", slice="overall", metric="ndcg@2").row(0, named=True)
    assert row["mean"] == results[1].report.measure("hstu", "ndcg@2").mean
    assert row["users"] == USERS


def test_an_evaluation_survives_its_file(lake):
    folder = write_version(lake, "new")
    with pytest.raises(FileNotFoundError, match="materialize `evaluation`"):
        VersionEvaluation.read(folder)
    result = judge(lake, folder, SETTINGS)
    result.write(folder)
    assert VersionEvaluation.read(folder) == result
    assert not list(folder.glob(".*"))


def test_the_summary_is_keyed_by_scorer_metric_and_slice(lake):
    summary = judge(lake, write_version(lake, "new"), SETTINGS).summary()
    assert set(summary) == {"hstu", "popularity", "item_knn"}
    assert set(summary["hstu"]["ndcg@2"]) == {"mean", "low", "high", "n"}
    assert summary["hstu"]["cold"]["ndcg@2"]["n"] == USERS // 3


def test_verdicts_answer_every_check_with_the_numbers(lake):
    twin = write_version(lake, "new", seed=2, folder="ablations")
    answers = verdicts(judge(lake, write_version(lake, "new"), SETTINGS, without_content=twin))
    assert [answer.check for answer in answers] == list(CHECKS)
    assert "ndcg@2: hstu 0." in answers[0].sentence
    assert "10 users" in answers[2].sentence
    without_twin = verdicts(judge(lake, lake.folder("artifacts") / "new", SETTINGS))
    assert without_twin[2].sentence.startswith("Not measured")


def _without_seconds(evaluation: VersionEvaluation) -> dict:
    return evaluation.model_dump(exclude={"protocols": {"__all__": {"seconds"}}})
