"""What every table asset tells the UI: row count, columns, a preview."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from models.columns import USER_ID

PREVIEW_ROWS = 8

SOMEBODY = "..."
"""Stands for a user's id."""


def table_metadata(frame: pl.DataFrame, **more: Any) -> Mapping[str, Any]:
    """Metadata of a table that was just written; `more` adds entries of the asset's own."""
    return {
        "dagster/row_count": frame.height,
        "dagster/column_schema": dg.TableSchema(
            columns=[dg.TableColumn(name, str(dtype)) for name, dtype in frame.schema.items()]
        ),
        "preview": dg.MetadataValue.md(markdown_table(frame.head(PREVIEW_ROWS))),
        **more,
    }


def markdown_table(frame: pl.DataFrame) -> str:
    """`frame` as a Markdown table; long cells are cut, user ids left out.

    What is told to the UI stays on record there, and nobody could take a person out again who is to be forgotten.
    """
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    named = [pl.col(name) for name in frame.columns if name == USER_ID]
    anonymous = frame.with_columns(pl.when(user.is_not_null()).then(pl.lit(SOMEBODY)).alias(USER_ID) for user in named)
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in anonymous.iter_rows()]
    return "\n".join(lines)


def plain_name(name: str) -> str:
    """`name` as a metadata key that the UI plots: ndcg@10 becomes ndcg_at_10."""
    return name.replace("@", "_at_").replace(" ", "_")


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    text = str(value).replace("|", "\\|").replace("\n", " ")
    return text if len(text) <= 60 else text[:57] + "..."
