"""What a ranker's evaluation looks like in the UI."""

from collections.abc import Mapping

import polars as pl

from assets.evaluation.plots import cell
from assets.metadata import markdown_table
from assets.plots import markdown_image, new_figure
from assets.ranking.evaluate import BASE_RATE, ITEM_QUALITY, ITEM_RATE, RANKER, RankingEvaluation
from models.evaluation.action_metrics import METRICS
from models.evaluation.off_policy import ESTIMATORS, LOGGED
from models.evaluation.own_impressions import NDCG, OWN_METRICS, PAIR_ACCURACY, PAIR_UPLIFT
from models.evaluation.reliability import calibration_error
from models.evaluation.report import Measures
from models.markdown import escaped

COLOURS = {RANKER: "#1971c2", ITEM_QUALITY: "#2f9e44", ITEM_RATE: "#f08c00", BASE_RATE: "#adb5bd"}

IN_SLICES = ("gauc", PAIR_ACCURACY, NDCG)
"""Of the slices the table shows these; the report has all."""


def metric_table(result: RankingEvaluation) -> str:
    """Every action's numbers by scorer with their 95 % intervals, as a Markdown table."""
    rows = [
        {
            "action": action,
            "taken": f"{result.taken[action]:.4f}",
            "scorer": scorer,
            **cells(measures, METRICS),
        }
        for action in result.taken
        for scorer, actions in result.scorers.items()
        if (measures := actions[action])
    ]
    return markdown_table(pl.DataFrame(rows))


def difference_table(result: RankingEvaluation) -> str:
    """How the ranker differs from each other scorer on the same impressions, as a Markdown table."""
    rows = [
        {"action": action, "ranker minus": scorer, **cells(actions[action], (*OWN_METRICS, PAIR_UPLIFT))}
        for action in result.taken
        for scorer, actions in result.differences.items()
    ]
    return markdown_table(pl.DataFrame(rows))


def slice_table(result: RankingEvaluation) -> str:
    """Each slice's numbers of the ranker and of what is known of the items alone, as a Markdown table."""
    rows = [
        {"slice": name, "action": action, "scorer": scorer, **cells(measures, IN_SLICES)}
        for name, scorers in result.slices.items()
        for action in result.taken
        for scorer in (RANKER, ITEM_QUALITY, ITEM_RATE)
        if (measures := scorers[scorer][action])
    ]
    return markdown_table(pl.DataFrame(rows)) if rows else "no slice holds both outcomes"


def off_policy_table(result: RankingEvaluation) -> str:
    """What the ranker would have earned, beside what was, as a Markdown table, and what is doubtful about it."""
    rows, doubts = [], []
    for action, policies in result.off_policy.items():
        for policy, value in policies.items():
            estimates = {LOGGED: value.logged, **{name: value.estimates.get(name) for name in ESTIMATORS}}
            rows.append(
                {
                    "action": action,
                    "policy": policy,
                    **{name: cell(estimate) if estimate else "" for name, estimate in estimates.items()},
                    "rows": value.rows,
                    "worth": round(value.effective_rows),
                }
            )
            doubts += [f"- {action}, {policy}: {escaped(doubt)}" for doubt in value.doubts]
    return "\n".join([markdown_table(pl.DataFrame(rows)), "", *doubts])


def metric_bars(result: RankingEvaluation) -> str:
    """Every metric by action with its interval, the scorers beside each other, as a Markdown image."""
    figure = new_figure(width=11.0, height=5.6)
    panels = list(figure.subplots(2, (len(METRICS) + 1) // 2).flat)
    for axes, name in zip(panels, METRICS, strict=False):
        for shift, (scorer, actions) in enumerate(result.scorers.items()):
            for place, action in enumerate(result.taken):
                if (measure := actions[action].get(name)) is None:
                    continue
                at, colour = place + 0.2 * (shift - 1.5), COLOURS[scorer]
                axes.plot(at, measure.mean, color=colour, marker="o", label=scorer if place == 0 else None)
                if measure.low is not None and measure.high is not None:
                    axes.vlines(at, measure.low, measure.high, color=colour)
        axes.set_xticks(range(len(result.taken)), list(result.taken))
        axes.set_title(name)
    for axes in panels[len(METRICS) :]:
        axes.set_axis_off()
    panels[0].legend()
    return markdown_image(figure, "metrics by action and scorer")


def reliability_diagram(result: RankingEvaluation) -> str:
    """What the ranker said against how often it came true, by action, as a Markdown image."""
    figure = new_figure(width=3.4 * len(result.reliability))
    panels = figure.subplots(1, len(result.reliability), squeeze=False)[0]
    for axes, (action, bins) in zip(panels, result.reliability.items(), strict=True):
        most = max(max(one.said, one.taken) for one in bins)
        axes.plot([0, most], [0, most], color="#adb5bd", linestyle="--")
        axes.plot([one.said for one in bins], [one.taken for one in bins], color=COLOURS[RANKER], marker="o")
        axes.set(xlabel="said", ylabel="taken", title=f"{action}, error {calibration_error(bins):.4f}")
    return markdown_image(figure, "reliability by action")


def cells(measures: Measures, names: tuple[str, ...]) -> Mapping[str, str]:
    """Metric to number with its interval, of `names`; empty where it is not defined."""
    return {name: cell(measures[name]) if name in measures else "" for name in names}
