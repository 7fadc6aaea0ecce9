"""What a law of scaling looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from assets.plots import markdown_image, new_figure
from models.scaling.laws import NEXT
from models.scaling.study import Study, Trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OFFSET, LOG_LINEAR, SHARE = "#1971c2", "#f08c00", "#868e96"


def laws_figure(found: Study, by_fraction: dict[float, Trials]) -> Figure:
    """MRR by parameters: trials, both laws with and without the largest size, the interval of the ceiling."""
    figure = new_figure(width=8.0, height=4.4)
    axes = figure.subplots()
    sizes = found.trials.sizes
    curve = np.geomspace(sizes.min(), NEXT * sizes.max(), 200)
    top = max(float(found.offset(curve[-1])), float(found.log_linear(curve[-1])))
    bottom = min(float(trials.means.min()) for trials in by_fraction.values())
    room = 0.15 * (top - bottom)
    for law, colour, name in ((found.offset, OFFSET, "offset law"), (found.log_linear, LOG_LINEAR, "log-linear law")):
        axes.plot(curve, law(curve), color=colour, label=name)
    for law, colour in ((found.foretold.offset, OFFSET), (found.foretold.log_linear, LOG_LINEAR)):
        axes.plot(curve, law(curve), color=colour, linestyle=":", linewidth=1)
    axes.plot([], [], color="black", linestyle=":", linewidth=1, label="the same without the largest size")
    for fraction, trials in sorted(by_fraction.items()):
        if fraction < 1:
            axes.scatter(trials.sizes, trials.means, color=SHARE, s=18, label=f"{fraction:.0%} of the users")
    held_out = sizes == found.foretold.size
    axes.scatter(sizes[~held_out], found.trials.means[~held_out], color="black", s=28, zorder=3, label="all users")
    axes.scatter(sizes[held_out], found.trials.means[held_out], color="#e03131", s=36, zorder=3, label="held out")
    # A ceiling far above what was measured would flatten everything else.
    axes.axhspan(found.ceiling.low, found.ceiling.high, color=OFFSET, alpha=0.12, label="ceiling, 95 % interval")
    axes.axhline(found.ceiling.mean, color=OFFSET, linewidth=0.8)
    axes.set(xscale="log", xlabel="parameters of the backbone", ylabel="MRR", ylim=(bottom - room, top + 2 * room))
    axes.legend(fontsize=8, loc="lower right")
    return figure


def laws_plot(found: Study, by_fraction: dict[float, Trials]) -> str:
    """`laws_figure` as a Markdown image."""
    return markdown_image(laws_figure(found, by_fraction), "MRR by parameters of the backbone")
