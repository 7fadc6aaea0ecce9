"""What commands take: days that exist, and nothing empty."""

import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.options import not_empty, range_of_days


@given(st.dates(), st.dates())
def test_days_are_what_was_written(first: date, last: date) -> None:
    assert range_of_days(f"{first}:{last}") == (first, last)
    assert range_of_days(f"{first}") == (first, first)


def test_none_given_is_none() -> None:
    assert range_of_days(None) is None
    assert not_empty("--select", None) is None
    assert not_empty("--select", "events*") == "events*"


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("", "--days is empty: give a value, or leave --days out"),
        (" ", "--days is empty"),
        ("2026-01-01:", "--days 2026-01-01:: write one day or two, such as"),
        (":2026-01-01", "write one day or two"),
        (":", "write one day or two"),
        ("2026-01-01:2026-01-02:2026-01-03", "write one day or two"),
        ("2026-01-01\n", "write one day or two"),
        ("20260101", "write one day or two"),
        ("2026-W01-1", "write one day or two"),
        ("yesterday", "write one day or two"),
        ("2026-11-31", "--days: there is no day 2026-11-31 in the calendar"),
        ("2026-01-01:2025-02-29", "there is no day 2025-02-29"),
        ("0000-01-01", "there is no day 0000-01-01"),
    ],
)
def test_what_is_no_day_is_told(written: str, told: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011
        range_of_days(written)
    assert told in str(error.value)


@pytest.mark.parametrize(
    "command",
    [
        ("materialize", "--days", ""),
        ("materialize", "--select", ""),
        ("rollback", "--reason", ""),
        ("quarantine", "show", "--days", ""),
        ("quarantine", "replay", "--reason", ""),
    ],
)
def test_an_empty_text_is_no_wish_for_everything(command: tuple[str, ...], tmp_path: Path) -> None:
    genrec = str(Path(sys.executable).with_name("genrec"))
    done = subprocess.run([genrec, *command], capture_output=True, text=True, timeout=120, cwd=tmp_path)
    option = command[-2]
    assert done.returncode == 1
    assert done.stderr == f"genrec: {option} is empty: give a value, or leave {option} out\n"
    assert done.stdout == ""
