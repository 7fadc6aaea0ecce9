"""What the UI is told of tables shows somebody's texts as they are."""

import html

import polars as pl
from markdown_it import MarkdownIt

from assets.metadata import LONGEST_CELL, markdown_table
from assets.plots import bars

READER = MarkdownIt("commonmark").enable(["table"])

TITLES = [
    "![](http://example.org/seen.png)",
    "[win](javascript:alert(1))",
    "<script>alert(1)</script>",
    "a | b\n| c | d |",
    "`code` **bold** \\",
    "Alien [director's cut] & friends",
]


def test_titles_stand_in_their_cells_as_they_are() -> None:
    page = READER.render(markdown_table(pl.DataFrame({"a|<b>": TITLES, "action": "[like](x)"})))
    for title in TITLES:
        assert f"<td>{html.escape(' '.join(title.split()))}</td>".replace("&#x27;", "'") in page
    assert "<th>a|&lt;b&gt;</th>" in page
    assert page.count("<td>[like](x)</td>") == len(TITLES)
    assert not any(tag in page for tag in ("<img", "<a ", "<script", "<code", "<strong"))


def test_a_long_cell_is_cut_before_it_is_escaped() -> None:
    (row,) = markdown_table(pl.DataFrame({"x": ["|" * 100]})).splitlines()[2:]
    assert row == "| " + "\\|" * (LONGEST_CELL - 3) + "... |"


def test_a_picture_is_called_what_it_shows() -> None:
    assert bars(["1"], [1], "x](http://example.org)", "y").startswith("![y by x\\](http://example.org)](data:image/png")
