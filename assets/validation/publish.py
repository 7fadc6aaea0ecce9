"""The last steps of `events` and `items`: quarantine, judge, and publish the days or refuse them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from assets.metadata import PARTITION_ROWS, markdown_table, table_metadata
from assets.partitions import TellDay
from assets.validation.checks import check_result, refusal
from assets.validation.data_docs import DataDocs
from assets.validation.expectation import Expectation
from assets.validation.quarantine import by_reason, replace_quarantine
from assets.validation.staged import Staged
from assets.validation.validation import validate
from models.columns import REASON
from storage.lake import Lake

Published = dg.AssetCheckResult | dg.MaterializeResult[Any]


def publish(
    lake: Lake,
    table: str,
    staged: Staged,
    days: Sequence[date],
    summary: pl.DataFrame,
    expectations: Sequence[Expectation],
    tell: TellDay,
    data_docs: DataDocs,
    landed: bool = True,
) -> Iterator[Published]:
    """Replaces the days of `table` by the staged rows, unless a blocking expectation fails.

    Then the table stays as it is; the quarantine, the Data Docs and the check results say why. Where no landing files
    hold the rows (`landed`), the quarantine stays, too: rows that got better stand nowhere else.

    Raises:
        dg.Failure: a blocking expectation failed; the check results were yielded before.
    """
    validation = validate(table, {"days": summary}, expectations, staged.counts)
    docs = dg.MetadataValue.url(data_docs.write(table, _page(days), validation.report))
    reasons = by_reason(pl.concat([staged.rejected, staged.trimmed]))
    metadata = {**_counts(staged), "quarantine": _quarantine(reasons), "data_docs": docs}
    if validation.blocking:
        if landed:
            replace_quarantine(lake, table, staged.quarantine_files, days)
        yield from map(check_result, validation.results)
        raise dg.Failure(refusal(table, validation.blocking, reasons), metadata=metadata, allow_retries=False)
    # Rows leave the quarantine after they came in here, so that a kill in between loses none of those that got better.
    version = lake.commit_days(table, staged.files, staged.preview, days)
    replace_quarantine(lake, table, staged.quarantine_files, days)
    for day in sorted(days):
        of_day = staged.of_day(day)
        tell(day, {PARTITION_ROWS: of_day.rows_accepted, **_counts(of_day)})
    # What is said of the whole table stands under the newest day alone, so that thousands do not repeat it.
    whole = table_metadata(staged.preview, lake.rows(table), days=len(days), quarantine=_quarantine(reasons))
    tell(max(days), whole)
    yield dg.MaterializeResult(
        metadata={"data_docs": docs, "table_version": version},
        check_results=[check_result(result) for result in validation.results],
    )


def _page(days: Sequence[date]) -> str:
    first, last = min(days).isoformat(), max(days).isoformat()
    return first if first == last else f"{first}_{last}"


def _counts(staged: Staged) -> Mapping[str, Any]:
    accepted, rejected = staged.rows_accepted, staged.rows_rejected
    reasons = by_reason(pl.concat([staged.rejected, staged.trimmed]))
    return {
        "rows_in": accepted + rejected,
        "rows_accepted": accepted,
        "rows_rejected": rejected,
        "rejected_share": rejected / max(1, accepted + rejected),
    } | {f"quarantined_{reason}": rows for reason, rows in reasons.select(REASON, "rows").iter_rows()}


def _quarantine(reasons: pl.DataFrame) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.md(markdown_table(reasons) if reasons.height else "No row was put aside.")
