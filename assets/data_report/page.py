"""The report as the UI shows it: tables and pictures in Markdown."""

from typing import Any

import dagster as dg

from assets.data_report.put_aside import ROWS
from assets.data_report.report import DataReport
from assets.data_report.seen import Finding
from assets.plots import bars, by_powers_of_two, markdown_image, new_figure
from models.columns import DAY
from models.markdown import escaped

NOTHING = "All settings fit what was seen."


def report_metadata(report: DataReport) -> dict[str, Any]:
    """Numbers, which the UI plots over time, and what people read and look at."""
    seen = report.seen
    rows = "\n".join(f"| {escaped(name)} | {escaped(told)} |" for name, told in report.lines())
    told: dict[str, Any] = {
        **report.numbers(),
        "report": dg.MetadataValue.md(f"| what | how much |\n| --- | --- |\n{rows}"),
        "what_does_not_fit": dg.MetadataValue.md(findings_table(report.findings)),
    }
    if seen.activity.events:
        told["events_a_day"] = dg.MetadataValue.md(_over_time(report))
    if seen.histories and len(seen.histories.lengths):
        names, counts = by_powers_of_two(seen.histories.lengths)
        told["history_lengths"] = dg.MetadataValue.md(bars(names, counts, "positives per user", "users"))
    return told


def findings_table(found: list[Finding]) -> str:
    """The findings as a Markdown table, what stops first."""
    if not found:
        return NOTHING
    rows = [
        f"| {escaped(one.key)} | {escaped(one.what)} | {escaped(one.advice)} | {'yes' if one.stops else ''} |"
        for one in found
    ]
    return "\n".join(["| setting | what was seen | what to do | stops |", "| --- | --- | --- | --- |", *rows])


def _over_time(report: DataReport) -> str:
    """Events by day, and where the evaluation cuts."""
    days, cut = report.seen.activity.days, report.seen.cut
    figure = new_figure()
    axes: Any = figure.subplots()
    axes.vlines(days[DAY].to_list(), 0, days[ROWS].to_list(), color="#4c6ef5", linewidth=max(0.5, 300 / days.height))
    axes.set(ylabel="events a day", ylim=(0, None))
    if cut:
        axes.axvline(cut.cutoff.replace(tzinfo=None), color="#868e96", linestyle="--", label="evaluation from here on")
        figure.legend(loc="outside upper right")
    return markdown_image(figure, "events by day")
