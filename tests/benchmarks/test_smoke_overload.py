"""`genrec bench overload` at its smallest."""

import shutil

import pytest

from tests.benchmarks.smoke import figures_apart


@pytest.mark.cluster
@pytest.mark.skipif(not shutil.which("hey"), reason="the load generator hey is not installed")
def test_overload() -> None:
    found = figures_apart("overload")
    assert {"good_share_2x", "good_share_5x", "p50_ratio", "throughput_ratio"} <= found.keys()
    assert found["good_share_5x"] > 0  # type: ignore[operator]
    assert found["throughput_ratio"] > 0  # type: ignore[operator]
