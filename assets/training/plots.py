"""Pictures of a training set and of a training run."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from assets.plots import bars, by_powers_of_two, markdown_image, new_figure
from assets.training.dataset import HeldOut
from assets.training.progress import Progress

COLORS = ("#e8590c", "#f08c00", "#9c36b5", "#2f9e44", "#868e96")

DAY_MS = 86_400_000
ROWS_AT_ONCE = 1_000_000
"""Of a column that is as long as the log."""


def over_time(held_out: HeldOut, cutoff: datetime) -> str:
    """Interactions that are trained on by day, and below them the cases by the day of their request."""
    figure = new_figure(height=4.0)
    above, below = figure.subplots(2, 1, sharex=True)
    _by_day(above, {"trained on": held_out.training.timestamps})
    _by_day(below, {protocol: cases.request_times for protocol, cases in held_out.cases.items()})
    for axes, what in ((above, "interactions"), (below, "cases")):
        axes.axvline(np.datetime64(cutoff.replace(tzinfo=None)), color="#868e96", linestyle="--", label="cutoff")
        axes.set_ylabel(f"{what} a day")
        axes.legend()
    return markdown_image(figure, "interactions and cases by day")


def lengths_of(lengths: np.ndarray) -> str:
    """How many users have how many interactions, by powers of two."""
    return bars(*by_powers_of_two(lengths[lengths > 0]), "interactions trained on, per user", "users")


def _by_day(axes: Any, times: Mapping[str, np.ndarray]) -> None:
    for place, (name, of_name) in enumerate(times.items()):
        days = [of_name[start : start + ROWS_AT_ONCE] // DAY_MS for start in range(0, len(of_name), ROWS_AT_ONCE)]
        counted = (
            pl.concat([pl.Series("day", some).value_counts() for some in days]).group_by("day").agg(pl.sum("count"))
        )
        when = counted["day"].to_numpy().astype("datetime64[D]")
        axes.bar(when, counted["count"], width=0.8, alpha=0.7, color=COLORS[place], label=name, align="edge")


def learning_curve(curve: list[Progress]) -> str:
    """Loss, each of its parts where there are several, and what is measured on held-out data, as a Markdown image.

    Each measure has a panel and a scale of its own.
    """
    epochs, measures = [point.epoch for point in curve], list(curve[-1].validation)
    figure = new_figure(width=3.6 * max(2, 1 + len(measures)), height=3.2)
    left, *others = figure.subplots(1, 1 + len(measures), squeeze=False)[0]
    losses = {"training loss": [point.loss for point in curve]}
    if len(curve[-1].losses) > 1:
        losses |= {name: [point.losses[name] for point in curve] for name in curve[-1].losses}
    for place, (name, values) in enumerate(losses.items()):
        left.plot(epochs, values, color=COLORS[place % len(COLORS)], marker="o", markersize=3, label=name)
    left.set(xlabel="epoch", title="training loss")
    if len(losses) > 1:
        left.legend()
    for axes, name in zip(others, measures, strict=True):
        axes.plot(epochs, [point.validation[name] for point in curve], color="#1971c2", marker="o", markersize=3)
        axes.set(xlabel="epoch", title=f"{name}, held-out data")
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
