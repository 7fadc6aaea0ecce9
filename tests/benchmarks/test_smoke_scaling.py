"""The law of scaling on a log made up in MovieLens' format."""

from tests.benchmarks.smoke import figures_apart


def test_scaling() -> None:
    found = figures_apart("scaling")
    assert found["users"] > 100
    assert {"offset_rmse", "loglinear_rmse", "heldout_error"} <= found.keys()
    low, high = found["ceiling"][1:]
    assert low <= found["ceiling"][0] <= high
    assert len(found["mrr"]["1"]) == 5
