"""Texts within Markdown, as a reader of GitHub's Markdown sees them."""

import html
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from models.markdown import escaped, unescaped

READER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
TEXT = st.text(st.sampled_from("ab1 _*[]()!<>|`~&#;:\\\"'/$.@-+{}=\n") | st.characters(exclude_categories=["Cs", "Cc"]))

HOSTILE = [
    "<script>alert(1)</script>",
    "[win](javascript:alert(1))",
    "![](http://example.org/seen.png)",
    "<img src=http://example.org/seen.png>",
    "a | b",
    "`x` **y** _z_ ~~w~~ &lt; \\| \\",
    "first\n| second | third |\n\n# fourth",
]


def cell(text: str) -> str:
    """What stands in a cell of a table, as HTML."""
    page = READER.render(f"| a | b |\n| --- | --- |\n| {escaped(text)} | end |\n")
    (found,) = re.findall(r"<tbody>\s*<tr>\s*<td>(.*)</td>\s*<td>end</td>\s*</tr>\s*</tbody>", page, re.S)
    return str(found)


@given(TEXT)
@example("\\|")
def test_every_text_is_seen_as_it_is(text: str) -> None:
    seen = cell(f"x{text}x")
    assert "<" not in seen
    assert html.unescape(seen).split() == f"x{text}x".split()


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_is_called_run_or_split(text: str) -> None:
    assert html.unescape(cell(text)) == " ".join(text.split())
    assert "<" not in READER.renderInline(escaped(text)).replace("<br", "")


@given(TEXT)
def test_the_text_comes_back(text: str) -> None:
    assert unescaped(escaped(text)) == " ".join(text.split())
