"""What every table asset tells the UI: row count, columns, a preview."""

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

PREVIEW_ROWS = 8


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
    """`frame` as a Markdown table; long cells are cut."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + " --- |" * frame.width]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in frame.iter_rows()]
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
