"""What the line says at the terminal is printed as it is."""

import io
import time

import dagster as dg
import pytest
from dagster._core.events import AssetMaterializationPlannedData
from dagster._core.execution.plan.objects import StepSuccessData

from models.markdown import escaped
from orchestration.progress import LineProgress
from orchestration.terminal import new_console

TEXTS = [
    "Alien [director's cut]",
    "Song [/b]",
    "[red]x[/red]",
    ":smile:",
    "a [/] b",
    "back\\",
    "![](http://x)",
    "a_b *c*",
]


def entry(message: str, event: dg.DagsterEvent | None = None) -> dg.EventLogEntry:
    return dg.EventLogEntry(
        error_info=None, level=20, user_message=message, run_id="1", timestamp=time.time(), dagster_event=event
    )


def said(*entries: dg.EventLogEntry) -> str:
    out = io.StringIO()
    with LineProgress(new_console(out, width=200), ["events"], {}) as progress:
        for one in entries:
            progress.show(one)
    return out.getvalue()


def test_what_several_checks_could_not_measure_is_said_once() -> None:
    def unmeasured(name: str, why: str) -> dg.EventLogEntry:
        found = dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("events"),
            check_name=name,
            passed=False,
            metadata={"measured": dg.MetadataValue.bool(False)},
            description=why,
        )
        return entry("", dg.DagsterEvent("ASSET_CHECK_EVALUATION", "nightly", event_specific_data=found))

    def step(kind: str, data: StepSuccessData | None = None) -> dg.EventLogEntry:
        event = dg.DagsterEvent(kind, "nightly", step_key="events", event_specific_data=data)
        return entry("", event)._replace(step_key="events")

    causes = [("a", "no week"), ("b", "too few"), ("c", "no week")]
    lines = said(
        step("STEP_START"), *(unmeasured(*cause) for cause in causes), step("STEP_SUCCESS", StepSuccessData(1.0))
    ).splitlines()
    assert [line.strip() for line in lines if "check" in line] == [
        "checks a, c of events: no week",
        "check b of events: too few",
    ]


def test_thousands_of_partitions_are_told_while_they_are_planned() -> None:
    day = AssetMaterializationPlannedData(dg.AssetKey("events"), partition="2026-01-01")
    planned = dg.DagsterEvent("ASSET_MATERIALIZATION_PLANNED", "line", step_key="events", event_specific_data=day)
    assert "planned 5,000 partitions" in said(*[entry("", planned)] * 5_001)


@pytest.mark.parametrize("text", TEXTS)
def test_a_line_of_the_log_is_told_as_it_is(text: str) -> None:
    assert text in said(entry(text))


@pytest.mark.parametrize("text", TEXTS)
def test_what_a_check_found_is_told_as_it_is(text: str) -> None:
    found = dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey("events"), check_name="rule", passed=False, metadata={}, description=escaped(text)
    )
    event = dg.DagsterEvent("ASSET_CHECK_EVALUATION", "nightly", event_specific_data=found)
    assert f"check rule of events failed: {text}" in said(entry("", event))
