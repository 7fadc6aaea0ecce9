"""KuaiRand's protocol: what is known when, labels out of lists, and the published figures of the oracle."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from scipy.special import expit

from benchmarks.kuairand import EVERY, run
from benchmarks.kuairand_data import (
    FIRST_TEST_DAY,
    LABEL,
    LAST_TEST_DAY,
    Known,
    KuaiRand,
    days,
    labelled_history,
    read,
    write_imitation,
)
from benchmarks.kuairand_features import NAMES, Features
from benchmarks.kuairand_quality import UNKNOWN, Observations, Quality, Surfaces
from benchmarks.kuairand_scorers import SCORERS, Scorer
from models.evaluation.own_impressions import OWN_METRICS, OwnImpressions
from tests.benchmarks.smoke import figures
from tests.real_data import DATA, needs

REAL = DATA / "kuairand-pure"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> KuaiRand:
    return read(write_imitation(tmp_path_factory.mktemp("kuairand")))


def test_it_runs_and_writes_predictions_in_the_logs_order(tmp_path: Path) -> None:
    found = figures("kuairand", "--seeds", "2", "--growing", "--predictions", str(tmp_path / "scores.parquet"))
    whole = read(write_imitation(tmp_path))
    asked = whole.task(FIRST_TEST_DAY, LAST_TEST_DAY).asked
    written = pl.read_parquet(tmp_path / "scores.parquet")
    assert_frame_equal(written.drop("score"), asked.select("user_id", "video_id", "time_ms"))
    own = OwnImpressions.of(
        written["user_id"].to_numpy(), written["score"].to_numpy(), whole.answers(FIRST_TEST_DAY, LAST_TEST_DAY)
    )
    primary = dict(zip(OWN_METRICS, own.metrics(np.ones((1, len(own))))[0], strict=True))["primary"]
    assert found["predictions_primary"] == pytest.approx(primary, rel=1e-3)
    assert {f"{name}_primary" for name in SCORERS} <= found.keys()
    assert found["growing"].keys() == SCORERS.keys()
    mixed, parts = found["argus_and_regression"], (found["argus"], found["logistic_regression"])
    assert mixed["primary_sd"] > 0
    assert mixed["ne"] < max(part["ne"] for part in parts), "the mean of logits is no worse than the worse"
    assert found["random_primary"] < found["item_rate_primary"] < found["primary"] <= found["oracle"]["primary"]
    assert found["fm"]["primary_sd"] > 0
    assert found["pair_uplift"] > 0


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=12))
def test_labels_come_back_out_of_the_lists(shown: list[tuple[int, bool]]) -> None:
    # Where a video is shown twice, its later showing is the one that counts: only videos shown once say which it was.
    watched = [video for video, long in shown if long]
    lists = pl.DataFrame(
        {
            "user_id": [3],
            "last50_impressions": [[video for video, _ in shown]],
            "last50_long_watched": [watched],
            "n_impressions_before": [len(shown)],
        },
        schema_overrides={"last50_impressions": pl.List(pl.Int32), "last50_long_watched": pl.List(pl.Int32)},
    )
    found = labelled_history(lists)
    assert found["video_id"].to_list() == [video for video, _ in shown]
    assert found["back"].to_list() == list(range(len(shown), 0, -1))
    assert found.filter(pl.col(LABEL) == 1)["video_id"].to_list() == watched
    once = [video for video, _ in shown if [other for other, _ in shown].count(video) == 1]
    for (video, long), label in zip(shown, found[LABEL].to_list(), strict=True):
        assert video not in once or label == long


def test_a_history_that_contradicts_itself_is_refused() -> None:
    lists = {"user_id": [8], "last50_impressions": [[1, 2]], "last50_long_watched": [[2, 1]]}
    with pytest.raises(ValueError, match="user 8 watched 1 videos long that they were not shown"):
        labelled_history(pl.DataFrame({**lists, "n_impressions_before": [2]}))
    # What was watched before the listed impressions is no contradiction.
    assert labelled_history(pl.DataFrame({**lists, "n_impressions_before": [3]}))[LABEL].to_list() == [1, 0]


def test_no_score_depends_on_what_comes_of_what_is_asked(log: KuaiRand) -> None:
    day = date(2022, 4, 28)
    later = pl.col("date") >= 20220428
    outcomes = [pl.when(later).then(1 - pl.col(LABEL)).otherwise(pl.col(LABEL)).alias(LABEL), pl.col("is_like") * 0]
    turned = KuaiRand(log.impressions.with_columns(outcomes), log.history, log.users, log.videos)
    assert (turned.answers(day) != log.answers(day)).all()
    alone = KuaiRand(log.impressions.filter(pl.col("date") <= 20220428), log.history, log.users, log.videos)
    for name, scorer in EVERY.items():
        scores = scorer.score(log.task(day), 1)
        assert np.isfinite(scores).all(), name
        for other in (turned, alone):
            np.testing.assert_array_equal(scores, scorer.score(other.task(day), 1), name)


def test_what_is_known_holds_repeated_rows_once_and_what_is_asked_holds_them_all(log: KuaiRand) -> None:
    repeated = KuaiRand(pl.concat([log.impressions, log.impressions]), log.history, log.users, log.videos)
    once, twice = log.task(FIRST_TEST_DAY, LAST_TEST_DAY), repeated.task(FIRST_TEST_DAY, LAST_TEST_DAY)
    assert_frame_equal(once.known.impressions, twice.known.impressions)
    assert twice.asked.height == 2 * once.asked.height
    assert len(days(FIRST_TEST_DAY, LAST_TEST_DAY)) == 10


def test_quality_is_told_from_leniency_and_idle_surfaces() -> None:
    draw = np.random.default_rng(0)
    users, videos, rows = 400, 30, 20_000
    quality, leniency = draw.normal(size=videos), 2 * draw.normal(size=users)
    # The good videos are shown to the strict users, and on the idle surface, so that their rates say nothing.
    user = draw.integers(0, users, rows)
    odds = np.exp(-quality[None] * leniency[:, None])
    video = (draw.random(rows)[:, None] > np.cumsum(odds / odds.sum(1, keepdims=True), 1)[user]).sum(1)
    idle = draw.random(rows) < 0.6 * expit(2 * quality[video])
    watched = draw.random(rows) < expit(quality[video] + leniency[user] - 3 * idle)
    impressions = pl.DataFrame({"user_id": user, "video_id": video, "tab": np.where(idle, 4, 1), LABEL: watched})
    surfaces = Surfaces.of(impressions.cast({LABEL: pl.Int8}), users, videos)
    assert surfaces.idle.tolist() == [4]
    tabs = np.where(np.arange(rows) < rows // 2, UNKNOWN, impressions["tab"].to_numpy())
    found = Quality.of(Observations(user, video, tabs, watched.astype(float)), surfaces)
    rates = np.bincount(video, watched, videos) / np.bincount(video, minlength=videos)
    assert np.corrcoef(rates, quality)[0, 1] < 0.5
    assert np.corrcoef(found.of_video, quality)[0, 1] > 0.95


@settings(max_examples=5)
@given(st.integers(0, 3))
def test_features_are_finite_also_of_users_and_videos_without_impressions(seed: int) -> None:
    draw = np.random.default_rng(seed)
    known = pl.DataFrame({"user_id": [0, 1], "video_id": [0, 1], LABEL: [0, 1], "back": [1, 1]})
    shown = pl.DataFrame({"user_id": [0], "video_id": [1], "tab": [1], LABEL: [1], "date": [20220425]})
    videos = pl.DataFrame({"video_id": [0, 1, 2], "video_duration": [1e4, None, 3e4], "tag": ["1", None, "2,3"]})
    types: dict[Any, Any] = {"user_id": pl.Int32, "video_id": pl.Int32, LABEL: pl.Int8}
    everything = Known(
        shown.cast({**types, "tab": pl.Int8}),
        known.cast(types),
        pl.DataFrame({"user_id": range(4)}),
        videos.cast({"video_id": pl.Int32}),
    )
    asked = pl.DataFrame(
        {"user_id": draw.integers(0, 4, 9), "video_id": draw.integers(0, 3, 9), "tab": [2] * 9, "hourmin": [930] * 9}
    )
    found = Features(everything, everything.impressions).of(asked)
    assert found.shape == (9, len(NAMES))
    assert np.isfinite(found).all()


def test_an_unknown_scorer_and_a_folder_without_the_extract_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lacks impressions\.parquet, history\.parquet"):
        read(tmp_path)
    with pytest.raises(ValueError, match="there is no scorer 'bert': --scorer takes random"):
        run(1, None, None, False, ["bert"], True, lambda line: None)


def test_another_contestant_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EVERY, "newest", Scorer(lambda task, seed: task.asked["time_ms"].to_numpy() * 1.0))
    found = run(1, None, None, False, ["newest"], True, lambda line: None)
    assert found["model"] == "newest"
    assert found["primary"] == found["newest_primary"]


@needs(REAL)
def test_the_published_oracle_is_met() -> None:
    real = read(REAL)
    task, watched = real.task(FIRST_TEST_DAY, LAST_TEST_DAY), real.answers(FIRST_TEST_DAY, LAST_TEST_DAY)
    assert (task.asked.height, task.asked["user_id"].n_unique()) == (170_588, 23_875)
    own = OwnImpressions.of(task.asked["user_id"].to_numpy(), watched.astype(float), watched)
    found = dict(zip(OWN_METRICS, own.metrics(np.ones((1, len(own))))[0].round(5), strict=True))
    assert (found["ndcg@5"], found["primary"]) == (0.72892, 0.86446)
    assert real.history.height == 817_187
