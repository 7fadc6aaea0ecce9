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


def draw_entropies(curves: Mapping[str, Sequence[tuple[int, Sequence[float | None]]]], title: str, path: Path) -> None:
    """Writes a PNG with a panel for each curve: NE and its interval by the encoder's parameters."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4), layout="constrained", dpi=120)
    for axes, (name, points) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        parameters, measures = zip(*points, strict=True)
        means, low, high = zip(*measures, strict=True)
        axes.plot(parameters, means, marker="o")
        axes.fill_between(parameters, low, high, alpha=0.2)
        axes.set(xscale="log", xlabel="parameters of the encoder", ylabel="normalised entropy", title=name)
    figure.suptitle(title)
    figure.savefig(path)
