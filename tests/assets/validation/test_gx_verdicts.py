"""Pages of Data Docs show the examples of a broken rule as they are."""

import html
from pathlib import Path

import polars as pl

from assets.validation.checks import check_result
from assets.validation.data_docs import write_data_docs
from assets.validation.expectation import Expectation
from assets.validation.validation import validate

ACTIONS = ["<b>like</b>", "<script>alert(1)</script>", "<img src=http://example.org/x.png>", "![](http://example.org)"]


def test_hostile_actions_are_texts_on_every_page(tmp_path: Path) -> None:
    allowed = ["<i>click</i>", "[buy](javascript:alert(1))"]
    expectation = Expectation(
        name="known_actions",
        type="expect_column_values_to_be_in_set",
        columns=("action",),
        arguments={"column": "action", "value_set": allowed},
        violation=pl.lit(True),
        why="Every action is known.",
    )
    validation = validate("events", {"rows": pl.LazyFrame({"action": ACTIONS})}, [expectation])
    page = write_data_docs(tmp_path, "page", validation.report).read_text()
    for text in (*ACTIONS, allowed[0]):
        assert html.escape(text, quote=False) in page
        assert text == html.escape(text, quote=False) or text not in page
    told = check_result(validation.results[0])
    assert "\\[buy\\](javascript" in str(told.description)
    assert "\\<script\\>" in str(told.metadata["examples"].value)
