"""Pictures and tables of an evaluation, as Markdown."""

from assets.plots import markdown_image, new_figure
from models.evaluation.report import COLD, OVERALL, EvaluationReport, Measure
from models.markdown import escaped

CANDIDATE_COLOUR, ORACLE_COLOUR, OTHER_COLOUR = "#4c6ef5", "#adb5bd", "#94a3b8"


def metric_bars(report: EvaluationReport, metric: str, slices: tuple[str, ...] = (OVERALL, COLD)) -> str:
    """One bar per scorer with its 95 % interval, one panel per slice that has users."""
    panels = [name for name in slices if any(name in measured for measured in report.scorers.values())]
    colours = {report.candidate: CANDIDATE_COLOUR, "oracle": ORACLE_COLOUR}
    figure = new_figure(width=4.2 * len(panels), height=3.4)
    for panel, name in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        bars = {scorer: measured[name][metric] for scorer, measured in report.scorers.items() if name in measured}
        panel.barh(
            list(bars),
            [bar.mean for bar in bars.values()],
            # Where all users are alike, rounding can put the mean a little outside of its interval.
            xerr=[
                [max(0.0, bar.mean - low_of(bar)) for bar in bars.values()],
                [max(0.0, high_of(bar) - bar.mean) for bar in bars.values()],
            ],
            color=[colours.get(scorer, OTHER_COLOUR) for scorer in bars],
            capsize=3,
        )
        panel.invert_yaxis()
        panel.set(xlabel=metric, title=f"{name}, {next(iter(bars.values())).n} users")
    return markdown_image(figure, f"{metric} by scorer")


def staleness_plot(report: EvaluationReport) -> str:
    """MRR of each scorer that was asked with older states, by their age."""
    figure = new_figure(width=5.2, height=3.4)
    panel = figure.subplots()
    for scorer, points in report.staleness.items():
        hours = [point.hours for point in points]
        mean = [point.mrr.mean for point in points]
        line = panel.plot(hours, mean, marker="o", label=scorer)[0]
        low, high = [low_of(point.mrr) for point in points], [high_of(point.mrr) for point in points]
        panel.fill_between(hours, low, high, color=line.get_color(), alpha=0.12)
    panel.set_ylim(bottom=0)
    panel.set(xlabel="age of the states, hours", ylabel="mrr", title=f"staleness, {report.users} users")
    panel.set_xticks([point.hours for point in next(iter(report.staleness.values()))])
    panel.legend(fontsize="small")
    return markdown_image(figure, "mrr by age of the states")


def staleness_table(report: EvaluationReport) -> str:
    """Scorers by ages, each cell the MRR and its interval."""
    first = next(iter(report.staleness.values()))
    lines = [
        "| scorer | " + " | ".join(f"{point.hours} h" for point in first) + " |",
        "| --- |" + " --- |" * len(first),
    ]
    lines += [
        f"| {escaped(scorer)} | " + " | ".join(cell(point.mrr) for point in points) + " |"
        for scorer, points in report.staleness.items()
    ]
    shortened = " | ".join(f"{point.shortened:.0%}" for point in first)
    return "\n".join([*lines, f"| *users of whom something is hidden* | {shortened} |"])


def metric_table(report: EvaluationReport, slice_name: str = OVERALL) -> str:
    """Scorers by metrics, each cell the mean and its interval."""
    measured = {scorer: slices[slice_name] for scorer, slices in report.scorers.items() if slice_name in slices}
    if not measured:
        return f"no user has a target in the slice {slice_name}"
    metrics = list(next(iter(measured.values())))
    lines = ["| scorer | " + " | ".join(metrics) + " |", "| --- |" + " --- |" * len(metrics)]
    lines += [
        f"| {escaped(scorer)} | " + " | ".join(cell(of[m]) for m in metrics) + " |" for scorer, of in measured.items()
    ]
    return "\n".join(lines)


def cell(measure: Measure) -> str:
    """A number with its interval, such as `0.1234 [0.1200, 0.1270]`."""
    if measure.low is None or measure.high is None:
        return f"{measure.mean:.4f}"
    return f"{measure.mean:.4f} [{measure.low:.4f}, {measure.high:.4f}]"


def low_of(measure: Measure) -> float:
    return measure.mean if measure.low is None else measure.low


def high_of(measure: Measure) -> float:
    return measure.mean if measure.high is None else measure.high
