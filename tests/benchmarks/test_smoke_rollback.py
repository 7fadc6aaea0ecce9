"""`genrec bench rollback` at its smallest."""

import pytest

from tests.benchmarks.smoke import figures_apart


@pytest.mark.cluster
def test_rollback() -> None:
    """Fails by itself where the training does not go on."""
    found = figures_apart("rollback")
    assert found["failed_requests"] == 0
    assert found["requests"] >= 200  # type: ignore[operator]
    assert found["command_s"] > 0  # type: ignore[operator]
    assert found["ui_s"] > 0  # type: ignore[operator]
