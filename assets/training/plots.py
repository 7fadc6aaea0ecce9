"""Pictures of a training run."""

import polars as pl

from assets.plots import markdown_image, new_figure
from assets.training.ray_train import Progress


def learning_curve(curve: list[Progress]) -> str:
    """Loss and validation NDCG@10 by epoch, as a Markdown image."""
    figure = new_figure()
    epochs = [point.epoch for point in curve]
    left = figure.subplots()
    left.plot(epochs, [point.loss for point in curve], color="#e8590c", marker="o", markersize=3)
    left.set_xlabel("epoch")
    left.set_ylabel("training loss", color="#e8590c")
    right = left.twinx()
    right.plot(epochs, [point.ndcg_at_10 for point in curve], color="#1971c2", marker="o", markersize=3)
    right.set_ylabel("NDCG@10 of held-out last items", color="#1971c2")
    return markdown_image(figure, "learning curve")


def trials_plot(trials: pl.DataFrame) -> str:
    """Where the trials of a search lie and how well they did, as a Markdown image."""
    figure = new_figure()
    axes = figure.subplots()
    points = axes.scatter(trials["learning_rate"], trials["temperature"], c=trials["ndcg_at_10"], s=60, cmap="viridis")
    axes.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="temperature")
    figure.colorbar(points, label="NDCG@10")
    return markdown_image(figure, "trials of the search")
