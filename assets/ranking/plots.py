"""What a ranker's evaluation looks like in the UI."""

import polars as pl

from assets.metadata import markdown_table
from assets.plots import markdown_image, new_figure
from assets.ranking.evaluate import RankingEvaluation
from models.evaluation.action_metrics import METRICS


def metric_table(result: RankingEvaluation) -> str:
    """Every action's numbers with their 95 % intervals, as a Markdown table."""
    rows = [
        {
            "action": action,
            "taken": f"{result.taken[action]:.4f}",
            **{
                name: f"{found.mean:.4f} [{found.low:.4f}, {found.high:.4f}]"
                for name in METRICS
                if (found := measures.get(name)) and found.low is not None and found.high is not None
            },
        }
        for action, measures in result.actions.items()
    ]
    return markdown_table(pl.DataFrame(rows))


def metric_bars(result: RankingEvaluation) -> str:
    """Every metric by action with its interval, as a Markdown image."""
    figure = new_figure()
    for axes, name in zip(figure.subplots(1, len(METRICS)), METRICS, strict=True):
        found = {action: measures[name] for action, measures in result.actions.items() if name in measures}
        for place, measure in enumerate(found.values()):
            axes.plot(place, measure.mean, color="#1971c2", marker="o")
            if measure.low is not None and measure.high is not None:
                axes.vlines(place, measure.low, measure.high, color="#1971c2")
        axes.set_xticks(range(len(found)), list(found))
        axes.set_title(name)
    return markdown_image(figure, "metrics by action")
