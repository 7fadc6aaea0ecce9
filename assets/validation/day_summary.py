"""A run's rows counted by day: the frame on which the expectations about whole days are judged."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from models.columns import DAY, DESCRIPTION, IMAGE, IMAGE_BYTES, TITLE

PERIOD = "period"
ROWS = "rows"
REJECTED = "rejected"
REJECTED_SHARE = "rejected_share"
WITHOUT_CONTENT_SHARE = "without_content_share"

WHOLE_RUN = "run"


def by_day(
    accepted: pl.DataFrame, rejected: pl.DataFrame, days: Sequence[date], min_rows_judged: int, undated: int = 0
) -> pl.DataFrame:
    """One row per day, empty days too, and for several days a last row for all of them together.

    Args:
        accepted: (day, rows), and
        rejected: (day, reason, rows) of a run, as in `Staged`.
        undated: Rejected rows that stand on the first day because their own cannot be read.

    Columns: period (the day or 'run'), rows (accepted), rejected, rejected_share. In a run of several days the share
    of a day with fewer than `min_rows_judged` raw rows is null: one bad row of ten says little, and the last row
    judges those days together. So it does with rows that have no day: on the first they are no part of the share.
    """
    counts = (
        pl.DataFrame({DAY: sorted(days)}, schema={DAY: pl.Date})
        .join(_count(accepted, ROWS), on=DAY, how="left")
        .join(_count(rejected, REJECTED), on=DAY, how="left")
        .select(pl.col(DAY).cast(pl.String).alias(PERIOD), pl.col(ROWS, REJECTED).fill_null(0))
    )
    if len(days) == 1:
        return counts.with_columns(_share(pl.col(REJECTED)))
    whole = counts.select(pl.lit(WHOLE_RUN).alias(PERIOD), pl.col(ROWS, REJECTED).sum())
    own = pl.col(REJECTED) - pl.when(pl.col(PERIOD) == str(min(days))).then(undated).otherwise(0)
    judged = pl.when(pl.col(ROWS) + own >= min_rows_judged).then(_share(own)).alias(REJECTED_SHARE)
    return pl.concat([counts.with_columns(judged), whole.with_columns(_share(pl.col(REJECTED)))])


def with_content(summary: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """`summary` with the share of each day's items that have neither title nor description nor image."""
    bare = pl.all_horizontal(pl.col(TITLE, DESCRIPTION, IMAGE, IMAGE_BYTES).is_null())
    shares = items.group_by(pl.col(DAY).cast(pl.String).alias(PERIOD)).agg(bare.mean().alias(WITHOUT_CONTENT_SHARE))
    return summary.join(shares, on=PERIOD, how="left", maintain_order="left")


def _count(counts: pl.DataFrame, name: str) -> pl.DataFrame:
    return counts.group_by(DAY).agg(pl.col(ROWS).sum().alias(name))


def _share(rejected: pl.Expr) -> pl.Expr:
    share = rejected / (pl.col(ROWS) + rejected)
    return share.fill_nan(0.0).alias(REJECTED_SHARE)
