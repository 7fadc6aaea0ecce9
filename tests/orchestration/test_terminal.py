"""Texts of people's data are printed as they are, in sentences, lines and tables."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from orchestration.sentences import sentences
from orchestration.status import Serving, Status, status_table
from orchestration.terminal import new_console

TITLES = [
    "Alien [director's cut]",
    "[rec] 2",
    "Song [/b]",
    "[red]x[/red]",
    ":smile:",
    "a [/] b",
    r"\[x]",
    "[link=file:///x]y",
]

visible = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=30)


def printed(what: object) -> str:
    out = io.StringIO()
    new_console(out, width=200).print(what)
    return out.getvalue()


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_printed_as_it_is_everywhere(title: str) -> None:
    table = Table(title, title=title, caption=title)
    table.add_row(title)
    assert printed(title).strip() == title
    assert printed(table).count(title) == 4


@given(visible)
def test_any_text_is(text: str) -> None:
    table = Table("title")
    table.add_row(text)
    assert text in printed(text)
    assert text in printed(table)


@pytest.mark.parametrize("title", TITLES)
def test_an_error_is_told_as_it_is(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), sentences():
        raise ValueError(f"no item {title}: name another")
    assert title in capsys.readouterr().err


@pytest.mark.parametrize("title", TITLES)
def test_the_status_tells_an_error_as_it_is(title: str) -> None:
    serving = Serving(alive=False, error=title)
    status = Status(
        profile="shop",
        champion=None,
        evaluated=None,
        endpoint="http://x",
        serving=serving,
        problem=title,
        metrics={},
        seconds={},
    )
    assert printed(status_table(status)).count(title) == 2
