"""Texts of people's data are printed as they are, in sentences, lines and tables."""

import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table

from orchestration import showcase
from orchestration.error_messages import errors_as_sentences
from orchestration.profile import load_profile
from orchestration.status import Serving, Status, _ask, status_table
from orchestration.terminal import new_console
from serving.ports import free_port
from serving.settings import EndpointSettings

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


@pytest.mark.parametrize("columns", ["40", "80"])
def test_what_is_piped_is_not_folded(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    out, words = io.StringIO(), " ".join(["word"] * 60)
    table = Table("words")
    table.add_row(words)
    new_console(out).print(table)
    assert words in out.getvalue()


@pytest.mark.parametrize("title", TITLES)
def test_an_error_is_told_as_it_is(title: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), errors_as_sentences():
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


def test_an_endpoint_that_does_not_answer_is_told_once() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = EndpointSettings(port=int(url.rpartition(":")[2]))
    serving = _ask(settings)
    status = Status(
        profile="shop",
        champion=None,
        evaluated=None,
        endpoint=url,
        serving=serving,
        problem=None,
        metrics={},
        seconds={},
    )
    shown = printed(status_table(status))
    assert (shown.count(url), shown.count("does not answer")) == (1, 1)


@pytest.mark.parametrize(
    ("user", "k", "told"),
    [
        ("5", 0, "genrec: k: Input should be greater than or equal to 1\n"),
        ("5", 501, "genrec: k: Input should be less than or equal to 500\n"),
        ("", 5, "genrec: user_id: Value error, an id has 1 to 512 characters, this one has 0\n"),
    ],
)
def test_what_cannot_be_asked_for_is_one_sentence(
    user: str, k: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    profile = tmp_path / "shop.yaml"
    profile.write_text("{first_day: 2026-01-01, source: {kind: demo_world}, training: {positive_actions: [click]}}")
    with pytest.raises(SystemExit) as ended, errors_as_sentences():
        showcase.recommend(load_profile(str(profile)), user, k, new_console())
    assert ended.value.code == 1
    assert capsys.readouterr().err == told
