"""The picture of a quality benchmark: NDCG@10 by epoch, beside the published figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.training_run import SELECTION, Reading


def draw_curves(curves: Mapping[str, Sequence[Reading]], published: float, title: str, path: Path) -> None:
    """Writes a PNG with one curve per run, and the published figure as a line across."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained", dpi=120)
    axes = figure.subplots()
    for name, readings in curves.items():
        values = [reading.figures[SELECTION] for reading in readings]
        axes.plot([reading.epoch for reading in readings], values, label=name, linewidth=1.5)
    axes.axhline(published, color="#868e96", linestyle="--", label=f"published, {published:.4f}")
    axes.set(xlabel="epoch", ylabel="NDCG@10 among all movies", title=title)
    axes.legend()
    figure.savefig(path)
