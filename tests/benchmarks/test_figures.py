import json

import pytest

from benchmarks.figures import last_line


def test_the_last_line_keeps_order_and_four_digits() -> None:
    line = last_line("ml1m", {"b": 0.123456, "a": {"hr@10": 1234567.0, "n": 6040}, "all": [0.1, 2 / 3]})
    assert (
        line
        == '{"bench": "ml1m", "figures": {"b": 0.1235, "a": {"hr@10": 1235000.0, "n": 6040}, "all": [0.1, 0.6667]}}'
    )
    assert list(json.loads(line)["figures"]) == ["b", "a", "all"]


def test_a_figure_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        last_line("training", {"ratio": float("nan")})
