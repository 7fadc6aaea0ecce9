"""What a person at the terminal sees while the line runs."""

import logging
import re
import time
from collections.abc import Collection, Mapping

import dagster as dg
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.text import Text

from assets.metadata import PARTITION_ROWS, ROWS
from models.markdown import unescaped

# Dagster's word on each step behind one that failed, which says nothing new.
NOT_BEGUN = re.compile(r"Dependencies for step .* Not executing\.", re.DOTALL)

PLANNED_SHOWN = 5_000


class LineProgress:
    """Turns a run's Dagster events and its own log lines into a live account of the line.

    Args:
        console: Where to write; must not be a stream that the run's log capture redirects.
        stages: The steps that count as stages; what other steps (checks on their own) find is shown if it is bad.
        expected: Seconds that each step took last time; what the time left is computed from.
    """

    def __init__(self, console: Console, stages: Collection[str], expected: Mapping[str, float]) -> None:
        self._stages = stages
        self._expected = expected
        self._done = 0
        self._planned = 0
        self._started: dict[str, float] = {}
        self._rows: dict[str, int] = {}
        self._unmeasured: dict[tuple[str, str], list[str]] = {}
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("stage {task.fields[stage]} of {task.total:.0f}"),
            BarColumn(bar_width=20),
            TextColumn("{task.description}", markup=False),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}"),
            console=console,
            transient=True,
            # What libraries print goes to the run's log, not between these lines.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task: TaskID = self._bar.add_task("", total=len(stages), stage=0, left="")

    def __enter__(self) -> "LineProgress":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, entry: dg.EventLogEntry) -> None:
        """Takes one entry of the run's event log."""
        event, step = entry.dagster_event, entry.step_key or ""
        if event is None:
            if int(entry.level) >= logging.INFO and not NOT_BEGUN.fullmatch(entry.user_message):
                self._print("      ", (entry.user_message, "dim"))
            return
        match event.event_type:
            case dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED:
                self._plan()
            case dg.DagsterEventType.STEP_START:
                self._start(step)
            case dg.DagsterEventType.ASSET_MATERIALIZATION:
                self._count(step, event)
            case dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                self._check(event)
            case dg.DagsterEventType.STEP_SUCCESS:
                self._end(step, ("done", "green"))
            case dg.DagsterEventType.STEP_FAILURE:
                self._end(step, ("failed", "red"))

    def _plan(self) -> None:
        """Dagster writes down every partition of every asset before the first begins: of thousands it takes a while."""
        self._planned += 1
        if self._planned % PLANNED_SHOWN == 0:
            self._print("      ", (f"planned {self._planned:,} partitions of assets", "dim"))

    def _start(self, step: str) -> None:
        if step not in self._stages:
            return
        self._started[step] = time.monotonic()
        number = len(self._started)
        self._print((f"{number:>2}/{len(self._stages)} {step}", "bold"))
        self._bar.update(self._task, completed=self._done, stage=number, description=step, left=self._left(step))

    def _end(self, step: str, outcome: tuple[str, str]) -> None:
        if step not in self._started:
            return
        self._done += 1
        self._say_what_was_not_measured()
        rows = f", {self._rows[step]:,} rows" if step in self._rows else ""
        seconds = time.monotonic() - self._started[step]
        self._print("      ", outcome, f" in {seconds:.1f} s{rows}")
        self._bar.update(self._task, completed=self._done)

    def _count(self, step: str, event: dg.DagsterEvent) -> None:
        metadata = event.step_materialization_data.materialization.metadata
        of_day, of_table = (metadata[key].value if key in metadata else None for key in (PARTITION_ROWS, ROWS))
        if isinstance(of_day, int):
            # A range of partitions is one record each.
            self._rows[step] = self._rows.get(step, 0) + of_day
        elif isinstance(of_table, int):
            self._rows[step] = of_table

    def _check(self, event: dg.DagsterEvent) -> None:
        check = event.asset_check_evaluation_data
        asset, why = check.asset_key.to_user_string(), unescaped(check.description or "")
        if check.passed:
            return
        if not check.metadata.get("measured", dg.MetadataValue.bool(True)).value:
            self._unmeasured.setdefault((asset, why), []).append(check.check_name)
            return
        colour = "red" if check.severity == dg.AssetCheckSeverity.ERROR else "yellow"
        what = f"check {check.check_name} of {asset} failed"
        self._print("      ", (what, colour), f": {why}" if why else "")

    def _say_what_was_not_measured(self) -> None:
        """Once for each cause, however many checks have it."""
        for (asset, why), checks in self._unmeasured.items():
            what = f"check{'s' if len(checks) > 1 else ''} {', '.join(checks)} of {asset}"
            self._print("      ", (what, "yellow"), f": {why}" if why else "")
        self._unmeasured.clear()

    def _left(self, step: str) -> str:
        """The time that this stage and those not yet started took last time, if every one of them is known."""
        to_come = [name for name in self._stages if name == step or name not in self._started]
        if not self._expected.keys() >= set(to_come):
            return ""
        seconds = sum(self._expected[name] for name in to_come)
        return f"about {seconds:.0f} s left"

    def _print(self, *parts: str | tuple[str, str]) -> None:
        """One line of texts, some with a style; none is markup."""
        self._bar.console.print(Text.assemble(*parts), highlight=False, soft_wrap=True)
