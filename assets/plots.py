"""Pictures for the UI: a figure as Markdown with the image inside."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.markdown import escaped

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float = 7.0, height: float = 3.2) -> Figure:
    """An empty figure (inches) that needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def markdown_image(figure: Figure, alt: str) -> str:
    """`figure` as a PNG inside a Markdown image."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    return f"![{escaped(alt)}](data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()})"


def bars(names: Sequence[str], counts: Sequence[int], xlabel: str, ylabel: str) -> str:
    """Counted classes as a Markdown image."""
    figure = new_figure()
    axes = figure.subplots()
    axes.bar(names, counts, color="#4c6ef5")
    axes.tick_params(axis="x", rotation=45)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return markdown_image(figure, f"{ylabel} by {xlabel}")


def by_powers_of_two(lengths: np.ndarray) -> tuple[list[str], list[int]]:
    """Names of the classes 1, 2-3, 4-7 and so on, and how many of the `lengths`, all above 0, are in each."""
    counts = np.bincount(np.log2(lengths).astype(np.int64)).tolist()
    return [str(2**n) if n == 0 else f"{2**n}-{2 ** (n + 1) - 1}" for n in range(len(counts))], counts
