"""The last steps of `events` and `items`: quarantine, judge, and publish the days or refuse them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets.lake import Lake
from assets.metadata import markdown_table, table_metadata
from assets.quality.checks import check_result, refusal
from assets.quality.data_docs import write_data_docs
from assets.quality.expectation import Expectation
from assets.quality.quarantine import by_reason, replace_quarantine
from assets.quality.staged import Staged
from assets.quality.validation import validate
from models.columns import REASON


def publish(
    lake: Lake,
    table: str,
    staged: Staged,
    days: Sequence[date],
    summary: pl.DataFrame,
    expectations: Sequence[Expectation],
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Replaces the days of `table` by the staged rows, unless a blocking expectation fails.

    Then the table stays as it is; the quarantine, the Data Docs and the check results say why.

    Raises:
        dg.Failure: a blocking expectation failed; the check results were yielded before.
    """
    validation = validate(table, {"days": summary}, expectations, staged.counts)
    docs = write_data_docs(lake.folder("data_docs") / table, _page(days), validation.report)
    reasons = by_reason(pl.concat([staged.rejected, staged.trimmed]))
    metadata = _metadata(staged, reasons, docs)
    if validation.blocking:
        replace_quarantine(lake, table, staged.quarantine_files, days)
        yield from map(check_result, validation.results)
        raise dg.Failure(refusal(table, validation.blocking, reasons), metadata=metadata, allow_retries=False)
    # Rows leave the quarantine after they came in here, so that a kill in between loses none of those that got better.
    version = lake.commit_days(table, staged.files, staged.preview, days)
    replace_quarantine(lake, table, staged.quarantine_files, days)
    yield dg.MaterializeResult(
        metadata={
            **table_metadata(staged.preview, table_version=version, days=len(days)),
            **metadata,
            "dagster/row_count": staged.rows_accepted,
        },
        check_results=[check_result(result) for result in validation.results],
    )


def _page(days: Sequence[date]) -> str:
    first, last = min(days).isoformat(), max(days).isoformat()
    return first if first == last else f"{first}_{last}"


def _metadata(staged: Staged, reasons: pl.DataFrame, docs: Path) -> Mapping[str, Any]:
    accepted, rejected = staged.rows_accepted, staged.rows_rejected
    return {
        "rows_in": accepted + rejected,
        "rows_accepted": accepted,
        "rows_rejected": rejected,
        "rejected_share": rejected / max(1, accepted + rejected),
        "quarantine": dg.MetadataValue.md(markdown_table(reasons) if reasons.height else "No row was put aside."),
        "data_docs": dg.MetadataValue.url(docs.as_uri()),
    } | {f"quarantined_{reason}": rows for reason, rows in reasons.select(REASON, "rows").iter_rows()}
