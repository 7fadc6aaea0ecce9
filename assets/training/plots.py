"""Pictures of a training run."""

import polars as pl

from assets.plots import markdown_image, new_figure
from assets.training.ray_train import Progress

COLORS = ("#e8590c", "#f08c00", "#9c36b5", "#2f9e44", "#868e96")


def learning_curve(curve: list[Progress]) -> str:
    """Loss, each of its parts where there are several, and what is measured on held-out data, as a Markdown image."""
    figure = new_figure()
    epochs = [point.epoch for point in curve]
    left = figure.subplots()
    losses = {"training loss": [point.loss for point in curve]}
    if len(curve[-1].losses) > 1:
        losses |= {name: [point.losses[name] for point in curve] for name in curve[-1].losses}
    for place, (name, values) in enumerate(losses.items()):
        left.plot(epochs, values, color=COLORS[place % len(COLORS)], marker="o", markersize=3, label=name)
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color=COLORS[0])
    if len(losses) > 1:
        left.legend()
    right = left.twinx()
    for name in curve[-1].validation:
        right.plot(epochs, [point.validation[name] for point in curve], color="#1971c2", marker="o", markersize=3)
    right.set_ylabel(f"{', '.join(curve[-1].validation)} of held-out data", color="#1971c2")
    return markdown_image(figure, "learning curve")


def trials_plot(trials: pl.DataFrame, searched: tuple[str, ...], metric: str) -> str:
    """Where the trials of a search lie and how well they did, as a Markdown image: one panel for what was searched."""
    figure = new_figure()
    panels = figure.subplots(1, len(searched), squeeze=False, sharey=True)[0]
    for axes, name in zip(panels, searched, strict=True):
        axes.scatter(trials[name], trials[metric], color="#1971c2", s=40)
        axes.set(xscale="log", xlabel=name)
    panels[0].set_ylabel(metric)
    return markdown_image(figure, "trials of the search")
