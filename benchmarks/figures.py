"""What a benchmark hands on: lines and tables for people while it runs, one line of JSON at the end."""

import json
from collections.abc import Callable, Sequence
from statistics import fmean, stdev
from typing import Any

Report = Callable[[object], None]
"""Prints a line or a rich table, such as `rich.console.Console().print`."""

Figures = dict[str, Any]
"""Figure name to a number, to a text, or to figures again."""

DIGITS = 4


def rounded(value: Any) -> Any:
    """`value` with every float in it cut to four significant digits."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {str(name): rounded(inner) for name, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def mean_and_deviation(values: Sequence[float]) -> list[float]:
    """The mean, and the sample standard deviation, 0 of a single value."""
    return [fmean(values), stdev(values) if len(values) > 1 else 0.0]


def last_line(bench: str, figures: Figures) -> str:
    """The line that ends a benchmark: `{"bench": NAME, "figures": {...}}`.

    Raises:
        ValueError: a figure is NaN or infinite, so the benchmark measured nothing.
    """
    return json.dumps({"bench": bench, "figures": rounded(figures)}, allow_nan=False)
