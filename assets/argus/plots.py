"""What the evaluation of an ARGUS version looks like in the UI."""

import polars as pl

from assets.argus.evaluate import FROZEN, GROWING, ITEM_RATE, ArgusEvaluation
from assets.argus.evaluate_towers import TowersEvaluation
from assets.metadata import markdown_table
from assets.plots import markdown_image, new_figure
from assets.ranking.plots import cells
from models.evaluation.action_metrics import METRICS
from models.evaluation.own_impressions import NDCG, PAIR_ACCURACY, PAIR_UPLIFT

TOLD_OF_TOWERS = (PAIR_ACCURACY, PAIR_UPLIFT, "auc", "gauc", NDCG)
"""The report has all."""

COLOURS = {GROWING: "#1971c2", FROZEN: "#74c0fc", ITEM_RATE: "#f08c00"}

DRAWN = ("ne", "auc", "gauc")
"""The table has all metrics."""


def metric_table(result: ArgusEvaluation) -> str:
    """Every outcome's numbers by scorer with their 95 % intervals, as a Markdown table."""
    rows = [
        {
            "outcome": outcome,
            "of": str(result.positives.get(outcome, "")),
            "scorer": scorer,
            **cells(measures, METRICS),
        }
        for outcome in result.scorers[GROWING]
        for scorer, outcomes in result.scorers.items()
        if (measures := outcomes.get(outcome))
    ]
    return markdown_table(pl.DataFrame(rows))


def towers_table(result: TowersEvaluation) -> str:
    """How each scorer orders impressions, by the whole scale and by its steps, with 95 % intervals, as Markdown."""
    whole = [
        {"step": "whole scale", "holds": "", "scorer": scorer, **cells(measures, TOLD_OF_TOWERS)}
        for scorer, measures in result.pairs.items()
    ]
    steps = [
        {"step": step, "holds": f"{share:.4f}", "scorer": scorer, **cells(measures[step], TOLD_OF_TOWERS)}
        for step, share in result.shares.items()
        for scorer, measures in result.scorers.items()
    ]
    return markdown_table(pl.DataFrame([*whole, *steps]))


def metric_bars(result: ArgusEvaluation) -> str:
    """The metrics by outcome with its interval, the scorers beside each other, as a Markdown image."""
    figure = new_figure(width=11.0)
    panels = figure.subplots(1, len(DRAWN), sharey=True)
    names = list(result.scorers[GROWING])
    for axes, metric in zip(panels, DRAWN, strict=True):
        for shift, (scorer, outcomes) in enumerate(result.scorers.items()):
            for place, outcome in enumerate(names):
                if (measure := outcomes.get(outcome, {}).get(metric)) is None:
                    continue
                at, colour = place + 0.2 * (shift - 1), COLOURS[scorer]
                axes.plot(measure.mean, at, color=colour, marker="o", linestyle="none")
                if measure.low is not None and measure.high is not None:
                    axes.hlines(at, measure.low, measure.high, color=colour)
        axes.set_yticks(range(len(names)), names)
        axes.axvline(1.0 if metric == "ne" else 0.5, color="#adb5bd", linewidth=1)
        axes.set_title(metric)
    for scorer in result.scorers:
        panels[0].plot([], [], color=COLOURS[scorer], marker="o", label=scorer)
    panels[0].legend()
    return markdown_image(figure, "metrics by outcome and scorer")
