"""What a ranker's evaluation looks like in the UI."""

import polars as pl

from assets.metadata import markdown_table
from assets.plots import markdown_image, new_figure
from assets.ranking.evaluate import BASE_RATE, ITEM_RATE, RANKER, RankingEvaluation
from models.evaluation.action_metrics import METRICS
from models.evaluation.report import Measure

COLOURS = {RANKER: "#1971c2", ITEM_RATE: "#f08c00", BASE_RATE: "#adb5bd"}


def metric_table(result: RankingEvaluation) -> str:
    """Every action's numbers by scorer with their 95 % intervals, as a Markdown table."""
    rows = [
        {
            "action": action,
            "taken": f"{result.taken[action]:.4f}",
            "scorer": scorer,
            **{name: _cell(measures.get(name)) for name in METRICS},
        }
        for action in result.taken
        for scorer, actions in result.scorers.items()
        if (measures := actions[action])
    ]
    return markdown_table(pl.DataFrame(rows))


def metric_bars(result: RankingEvaluation) -> str:
    """Every metric by action with its interval, the scorers beside each other, as a Markdown image."""
    figure = new_figure(width=9.0)
    panels = figure.subplots(1, len(METRICS))
    for axes, name in zip(panels, METRICS, strict=True):
        for shift, (scorer, actions) in enumerate(result.scorers.items()):
            for place, action in enumerate(result.taken):
                if (measure := actions[action].get(name)) is None:
                    continue
                at, colour = place + 0.2 * (shift - 1), COLOURS[scorer]
                axes.plot(at, measure.mean, color=colour, marker="o", label=scorer if place == 0 else None)
                if measure.low is not None and measure.high is not None:
                    axes.vlines(at, measure.low, measure.high, color=colour)
        axes.set_xticks(range(len(result.taken)), list(result.taken))
        axes.set_title(name)
    panels[0].legend()
    return markdown_image(figure, "metrics by action and scorer")


def _cell(measure: Measure | None) -> str:
    if measure is None:
        return ""
    interval = (
        f" [{measure.low:.4f}, {measure.high:.4f}]" if measure.low is not None and measure.high is not None else ""
    )
    return f"{measure.mean:.4f}{interval}"
