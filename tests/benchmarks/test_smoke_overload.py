"""`genrec bench overload` at its smallest."""

import shutil

import pytest

from tests.benchmarks.smoke import figures_apart


@pytest.mark.cluster
@pytest.mark.skipif(not shutil.which("hey"), reason="the load generator hey is not installed")
def test_overload() -> None:
    found = figures_apart("overload")
    endpoint, noop = found["endpoint"], found["noop"]
    assert found["throughput_ratio"] == pytest.approx(endpoint["capacity_per_s"] / noop["capacity_per_s"], rel=1e-2)
    for factor in ("2", "5"):
        good = endpoint["open"][factor]["good"] / endpoint["capacity_per_s"]
        assert found[f"good_share_{factor}x"] == pytest.approx(good, rel=1e-2)
        assert endpoint["open"][factor]["good"] <= endpoint["open"][factor]["offered"]
