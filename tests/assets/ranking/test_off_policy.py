"""What a ranker would have earned where the log has propensities: a shop that shows items at random."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest

from assets.engine import LocalEngine
from assets.ranking.evaluate import NotEvaluated, RankingEvaluation, evaluate_ranker
from assets.ranking.settings import OffPolicySettings
from assets.sequences.build import bring_up_to_date
from assets.splits.settings import EvaluationSettings
from models.artifact import load_artifact
from models.declared import DeclaredColumn
from models.manifest import EVALUATION
from storage.lake import Lake
from storage.staged_files import Staging
from tests.assets.ranking.test_assets import Shop, told, why
from tests.assets.ranking.worlds import DAY_SECONDS, HOUR, ITEMS, USERS, write_catalogue
from tests.assets.sequences.test_build import ACTIONS_DECLARED, HALF_AN_HOUR, events, put

DECLARED = {
    "chance": DeclaredColumn(known="request", type="number"),
    "place": DeclaredColumn(known="request", type="category"),
    "late": DeclaredColumn(known="outcome", type="number"),
}
ODDS = np.where(np.arange(ITEMS) < 4, 2.0, 1.0) / (ITEMS + 4)
"""With which each item is shown; every even one is clicked."""


def _write_shop(lake: Lake, chances: np.ndarray = ODDS) -> None:
    random = np.random.default_rng(0)
    for day in range(3):
        rows, shown = [], []
        for n, user in enumerate(USERS):
            for k, item in enumerate(random.choice(ITEMS, 8, p=ODDS).tolist()):
                at = DAY_SECONDS * day + HOUR * (k + 1) + n
                for place, action in enumerate(["impression", *(["click"] if item % 2 == 0 else [])]):
                    rows.append((user, f"i{item:02}", at + place, action, None, "home", f"r{day}-{k}", place))
                    shown.append((user, f"i{item:02}", chances[item]))
        chance = pl.DataFrame(shown, ["user_id", "item_id", "chance"], orient="row").unique()
        frame = events(rows, day).join(chance, on=["user_id", "item_id"], how="left", maintain_order="left")
        frame = frame.with_columns(
            pl.col("chance").cast(pl.Float32).fill_nan(None), place=pl.lit("top"), late=pl.lit(1.0, pl.Float32)
        )
        put(lake, frame, day)
    with Staging(lake) as staging:
        engine, actions = LocalEngine(1), ACTIONS_DECLARED
        bring_up_to_date(
            lake, staging, engine, actions, "string", HALF_AN_HOUR, DECLARED, rows_in_memory=10**6, buckets=4
        )
    write_catalogue(lake)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with dg.instance_for_test() as instance:
        yield Shop(Lake(str(tmp_path / "lake")), instance)


def test_a_ranker_that_knows_what_is_clicked_would_have_earned_more(shop: Shop) -> None:
    _write_shop(shop.lake)
    result = shop.run(off_policy={"propensity": "chance"})
    assert result.success
    report = RankingEvaluation.model_validate_json((shop.versions()[0] / EVALUATION).read_text())
    greedy, softmax = (report.off_policy["click"][policy] for policy in ("greedy", "softmax"))
    assert greedy.rows == softmax.rows == report.shown
    logged = report.taken["click"]
    for value in (greedy, softmax):
        assert value.logged is not None
        assert value.logged.mean == pytest.approx(logged)
        assert value.mean_weight == pytest.approx(1, abs=0.35)
        for name in ("ips", "snips", "dr"):
            assert value.estimates[name].mean > logged + 0.15
    # Whatever is clicked is always clicked: who chooses it alone earns 1.
    assert greedy.estimates["snips"].mean == pytest.approx(1, abs=0.05)
    assert any("the overlap is too small to tell" in doubt for doubt in greedy.doubts)
    page = told(result, "ranker_evaluation")["off_policy"]
    assert "| click | greedy" in page
    assert "- click, greedy: the overlap is too small to tell" in page

    artifact = load_artifact(shop.versions()[0])
    asked, some = EvaluationSettings(resamples=100), OffPolicySettings(propensity="chance", rows=20, clip=1.0)
    fewer = evaluate_ranker(shop.rankers, artifact, asked, some).off_policy["click"]["softmax"]
    assert 20 <= fewer.rows < report.shown
    assert fewer.clipped > 0
    assert evaluate_ranker(shop.rankers, artifact, asked).off_policy == {}
    with pytest.raises(NotEvaluated, match="is 'odds', but its training set was made with chance; materialize"):
        evaluate_ranker(shop.rankers, artifact, asked, OffPolicySettings(propensity="odds"))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        ("odds", "'odds', which is not declared: declare it in quality.columns as {known: request, type: number}"),
        ("place", "'place', which is a category known at the request"),
        ("late", "'late', which is a number known at the outcome"),
    ],
)
def test_what_is_no_number_of_the_request_is_no_propensity(shop: Shop, column: str, message: str) -> None:
    _write_shop(shop.lake)
    assert message in why(shop.run("ranking_set", off_policy={"propensity": column}))


def test_numbers_that_are_no_probabilities_stop_the_run_before_the_model(shop: Shop) -> None:
    _write_shop(shop.lake, np.where(np.arange(ITEMS) == 2, 34.0, ODDS))
    refused = why(shop.run("ranking_set", off_policy={"propensity": "chance"}))
    assert "ranking.off_policy.propensity is 'chance', but" in refused
    assert "propensities are not above 0 and at most 1, such as 34" in refused


def test_what_was_shown_without_a_propensity_is_counted(shop: Shop) -> None:
    _write_shop(shop.lake, np.where(np.arange(ITEMS) == 2, np.nan, ODDS))
    assert shop.run(off_policy={"propensity": "chance"}).success
    report = RankingEvaluation.model_validate_json((shop.versions()[0] / EVALUATION).read_text())
    value = report.off_policy["click"]["softmax"]
    assert value.without_propensity > 0
    assert value.rows + value.without_propensity == report.shown
    assert "have no propensity and are left out" in value.doubts[0]
