"""The last steps of `events` and `items`: quarantine, judge, and publish the days or refuse them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
import polars as pl

from assets.metadata import PARTITION_ROWS, markdown_table, table_metadata
from assets.partitions import TellPartitions, partition_column, partition_of
from assets.validation.checks import check_result, refusal
from assets.validation.data_docs import DataDocs
from assets.validation.expectation import Expectation
from assets.validation.quarantine import by_reason, replace_quarantine
from assets.validation.staged import ROWS, Staged
from assets.validation.validation import validate
from models.columns import DAY, REASON
from storage.lake import Lake

Published = dg.AssetCheckResult | dg.MaterializeResult[Any]


def publish(
    lake: Lake,
    table: str,
    staged: Staged,
    days: Sequence[date],
    summary: pl.DataFrame,
    expectations: Sequence[Expectation],
    tell: TellPartitions,
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
    counts = _counts(staged.rows_accepted, staged.rows_rejected, dict(reasons.select(REASON, ROWS).iter_rows()))
    metadata = {**counts, "quarantine": _quarantine(reasons), "data_docs": docs}
    if validation.blocking:
        if landed:
            replace_quarantine(lake, table, staged.quarantine_files, days)
        yield from map(check_result, validation.results)
        raise dg.Failure(refusal(table, validation.blocking, reasons), metadata=metadata, allow_retries=False)
    # Rows leave the quarantine after they came in here, so that a kill in between loses none of those that got better.
    version = lake.commit_days(table, staged.files, staged.preview, days)
    replace_quarantine(lake, table, staged.quarantine_files, days)
    # What is said of the whole table stands under the newest partition alone, so that thousands do not repeat it.
    whole = table_metadata(staged.preview, lake.rows(table), days=len(days), quarantine=_quarantine(reasons))
    if staged.outside:
        whole = {**whole, "rows_outside_profile": staged.outside}
    told = _told(staged, days)
    tell(told | {max(told): {**told[max(told)], **whole}})
    yield dg.MaterializeResult(
        metadata={"data_docs": docs, "table_version": version},
        check_results=[check_result(result) for result in validation.results],
    )


def _page(days: Sequence[date]) -> str:
    first, last = min(days).isoformat(), max(days).isoformat()
    return first if first == last else f"{first}_{last}"


def _told(staged: Staged, days: Sequence[date]) -> dict[date, Mapping[str, Any]]:
    """What is said of each partition: how many rows these days of it have, and what became of the others."""
    first = partition_column()
    accepted, rejected = (
        dict(counts.group_by(first).agg(pl.col(ROWS).sum()).iter_rows())
        for counts in (staged.accepted, staged.rejected)
    )
    reasons: dict[date, dict[str, int]] = {}
    put_aside = pl.concat([staged.rejected, staged.trimmed]).group_by(first, REASON).agg(pl.col(ROWS).sum())
    for partition, reason, rows in put_aside.sort(DAY, ROWS, REASON, descending=[False, True, False]).iter_rows():
        reasons.setdefault(partition, {})[reason] = rows
    return {
        partition: {
            PARTITION_ROWS: accepted.get(partition, 0),
            **_counts(accepted.get(partition, 0), rejected.get(partition, 0), reasons.get(partition, {})),
        }
        for partition in sorted(set(map(partition_of, days)))
    }


def _counts(accepted: int, rejected: int, reasons: Mapping[str, int]) -> Mapping[str, Any]:
    return {
        "rows_in": accepted + rejected,
        "rows_accepted": accepted,
        "rows_rejected": rejected,
        "rejected_share": rejected / max(1, accepted + rejected),
    } | {f"quarantined_{reason}": rows for reason, rows in reasons.items()}


def _quarantine(reasons: pl.DataFrame) -> dg.MetadataValue[Any]:
    return dg.MetadataValue.md(markdown_table(reasons) if reasons.height else "No row was put aside.")
