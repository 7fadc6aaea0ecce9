"""`genrec bench rollback` at its smallest."""

import pytest

from tests.benchmarks.smoke import figures_apart


@pytest.mark.cluster
def test_rollback() -> None:
    """Fails by itself where the training does not go on."""
    found = figures_apart("rollback")
    assert found["failed_requests"] == 0
    assert found["requests"] >= 200
    for way in ("command", "ui"):
        assert found[f"{way}_s"] <= found[f"{way}_max_s"]
