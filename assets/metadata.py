"""What every table asset tells the UI: row count, columns, a preview."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from models.auto import Choice
from models.columns import USER_ID
from models.markdown import escaped
from storage.schema import COLUMN_DESCRIPTIONS

PREVIEW_ROWS = 8

LONGEST_CELL = 60
"""Characters."""

ANONYMOUS = "..."
"""Stands for a user's id."""


ROWS, PARTITION_ROWS = "dagster/row_count", "dagster/partition_row_count"
"""Rows of the whole table, and those of one of its days: Dagster's own keys, which the UI shows and plots."""


def table_metadata(frame: pl.DataFrame, rows: int, **more: Any) -> Mapping[str, Any]:
    """What is said of a table that was just written.

    Args:
        frame: Its first rows at least.
        rows: How many it has.
        more: Entries of the asset's own.
    """
    return {
        ROWS: rows,
        **column_schema(frame),
        "preview": dg.MetadataValue.md(markdown_table(frame.head(PREVIEW_ROWS))),
        **more,
    }


def column_schema(frame: pl.DataFrame) -> Mapping[str, Any]:
    """The columns, which the UI lists with their types and descriptions."""
    columns = [dg.TableColumn(name, str(dtype), COLUMN_DESCRIPTIONS.get(name)) for name, dtype in frame.schema.items()]
    return {"dagster/column_schema": dg.TableSchema(columns)}


def markdown_table(frame: pl.DataFrame) -> str:
    """`frame` as a Markdown table; long cells are cut, user ids left out, and texts stand there as they are.

    What is told to the UI stays on record there, and nobody could take a person out again who is to be forgotten.
    """
    lines = ["| " + " | ".join(map(escaped, frame.columns)) + " |", "|" + " --- |" * frame.width]
    named = [pl.col(name) for name in frame.columns if name == USER_ID]
    anonymous = frame.with_columns(pl.when(user.is_not_null()).then(pl.lit(ANONYMOUS)).alias(USER_ID) for user in named)
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in anonymous.iter_rows()]
    return "\n".join(lines)


def choices_table(chosen: Mapping[str, Choice]) -> str:
    """What the data decided, as a Markdown table: setting, value, why."""
    if not chosen:
        return "The profile decides everything."
    rows = [f"| {escaped(path)} | {choice.value} | {escaped(choice.reason)} |" for path, choice in chosen.items()]
    return "\n".join(["| setting | value | why |", "| --- | --- | --- |", *rows])


def plain_name(name: str) -> str:
    """`name` as a metadata key that the UI plots: ndcg@10 becomes ndcg_at_10."""
    return name.replace("@", "_at_").replace(" ", "_")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = str(value)
    return escaped(text if len(text) <= LONGEST_CELL else f"{text[: LONGEST_CELL - 3]}...")
