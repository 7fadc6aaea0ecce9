"""What the line says at the terminal is printed as it is."""

import io
import time

import dagster as dg
import pytest

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
