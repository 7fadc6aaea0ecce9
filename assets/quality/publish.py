"""The last steps of `events` and `items`: quarantine, judge, and publish the days or refuse them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import polars.selectors as cs

from assets.lake import Lake
from assets.metadata import markdown_table, table_metadata
from assets.quality.checks import check_result, refusal
from assets.quality.data_docs import write_data_docs
from assets.quality.expectation import Expectation
from assets.quality.quarantine import Cleaned, by_reason, replace_quarantine
from assets.quality.validation import validate
from models.columns import REASON


def publish(
    lake: Lake,
    table: str,
    cleaned: Cleaned,
    days: Sequence[date],
    summary: pl.DataFrame,
    expectations: Sequence[Expectation],
    max_rows: int,
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[Any]]:
    """Replaces the days of `table` by the accepted rows, unless a blocking expectation fails.

    Then the table stays as it is; the quarantine, the Data Docs and the check results say why.

    Raises:
        dg.Failure: a blocking expectation failed; the check results were yielded before.
    """
    replace_quarantine(lake, table, cleaned.quarantine, days)
    rows = cleaned.accepted.select(~(cs.binary() | cs.nested()))
    validation = validate(table, {"rows": rows, "days": summary}, expectations, max_rows)
    docs = write_data_docs(lake.folder("data_docs") / table, _page(days), validation.report)
    reasons = by_reason(cleaned.quarantine)
    metadata = _metadata(cleaned, reasons, docs)
    if validation.blocking:
        yield from map(check_result, validation.results)
        raise dg.Failure(refusal(table, validation.blocking, reasons), metadata=metadata, allow_retries=False)
    version = lake.replace_days(table, cleaned.accepted, days)
    yield dg.MaterializeResult(
        metadata=table_metadata(cleaned.accepted, table_version=version, days=len(days), **metadata),
        check_results=[check_result(result) for result in validation.results],
    )


def _page(days: Sequence[date]) -> str:
    first, last = min(days).isoformat(), max(days).isoformat()
    return first if first == last else f"{first}_{last}"


def _metadata(cleaned: Cleaned, reasons: pl.DataFrame, docs: Path) -> Mapping[str, Any]:
    accepted, rejected = cleaned.accepted.height, cleaned.rejected.height
    return {
        "rows_in": accepted + rejected,
        "rows_accepted": accepted,
        "rows_rejected": rejected,
        "rejected_share": rejected / max(1, accepted + rejected),
        "quarantine": dg.MetadataValue.md(markdown_table(reasons) if reasons.height else "No row was put aside."),
        "data_docs": dg.MetadataValue.url(docs.as_uri()),
    } | {f"quarantined_{reason}": rows for reason, rows in reasons.select(REASON, "rows").iter_rows()}
