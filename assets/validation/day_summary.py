"""A run's rows counted by day: the frame on which the expectations about whole days are judged."""

from collections.abc import Sequence
from datetime import date

import polars as pl

from assets.validation.quarantine import Reason
from models.columns import DAY, DESCRIPTION, IMAGE, IMAGE_BYTES, REASON, TITLE

PERIOD = "period"
ROWS = "rows"
REJECTED = "rejected"
REJECTED_SHARE = "rejected_share"
WITHOUT_TIME_SHARE = "without_time_share"
WITHOUT_CONTENT_SHARE = "without_content_share"

CONTENT = (TITLE, DESCRIPTION, IMAGE)
NO_CONTENT = "the catalogue has no column of content"

TIMELESS = "timeless"
WHOLE_RUN = "run"


def by_day(
    accepted: pl.DataFrame, rejected: pl.DataFrame, days: Sequence[date], min_rows_judged: int, undated: int = 0
) -> pl.DataFrame:
    """One row per day, empty days too, and for several days a last row for all of them together.

    Args:
        accepted: (day, rows), and
        rejected: (day, reason, rows) of a run, as in `Staged`.
        undated: Rejected rows that stand on the first day because their own cannot be read.

    Columns: period (the day or 'run'), rows (accepted), rejected, rejected_share, without_time_share. In a run of
    several days the share of a day with fewer than `min_rows_judged` raw rows is null: one bad row of ten says little,
    and the last row judges those days together. So it does with rows whose day cannot be read: on the first they are no
    part of the share. Rows without a time are part of no rejected share; theirs is that of all rows of the run, in the
    last row.
    """
    timeless = rejected.filter(pl.col(REASON) == Reason.NO_TIME)
    counts = (
        pl.DataFrame({DAY: sorted(days)}, schema={DAY: pl.Date})
        .join(_count(accepted, ROWS), on=DAY, how="left")
        .join(_count(rejected, REJECTED), on=DAY, how="left")
        .join(_count(timeless, TIMELESS), on=DAY, how="left")
        .select(pl.col(DAY).cast(pl.String).alias(PERIOD), pl.col(ROWS, REJECTED, TIMELESS).fill_null(0))
    )
    judged_rejected = pl.col(REJECTED) - pl.col(TIMELESS)
    without_time = (pl.col(TIMELESS) / (pl.col(ROWS) + pl.col(REJECTED))).fill_nan(0.0).alias(WITHOUT_TIME_SHARE)
    if len(days) == 1:
        return counts.with_columns(_share(judged_rejected), without_time).drop(TIMELESS)
    whole = counts.select(pl.lit(WHOLE_RUN).alias(PERIOD), pl.col(ROWS, REJECTED, TIMELESS).sum())
    own = judged_rejected - pl.when(pl.col(PERIOD) == str(min(days))).then(undated).otherwise(0)
    judged = pl.when(pl.col(ROWS) + own >= min_rows_judged).then(_share(own)).alias(REJECTED_SHARE)
    by_period = counts.with_columns(judged, pl.lit(None, pl.Float64).alias(WITHOUT_TIME_SHARE))
    return pl.concat([by_period, whole.with_columns(_share(judged_rejected), without_time)]).drop(TIMELESS)


def with_content(summary: pl.DataFrame, items: pl.DataFrame, offered: bool = True) -> pl.DataFrame:
    """`summary` with the share of each day's items that have neither title nor description nor image.

    Args:
        offered: Whether the catalogue has a column for any of them; without one the shares are null.
    """
    if not offered:
        return summary.with_columns(pl.lit(None, pl.Float64).alias(WITHOUT_CONTENT_SHARE))
    bare = pl.all_horizontal(pl.col(TITLE, DESCRIPTION, IMAGE, IMAGE_BYTES).is_null())
    shares = items.group_by(pl.col(DAY).cast(pl.String).alias(PERIOD)).agg(bare.mean().alias(WITHOUT_CONTENT_SHARE))
    return summary.join(shares, on=PERIOD, how="left", maintain_order="left")


def _count(counts: pl.DataFrame, name: str) -> pl.DataFrame:
    return counts.group_by(DAY).agg(pl.col(ROWS).sum().alias(name))


def _share(rejected: pl.Expr) -> pl.Expr:
    share = rejected / (pl.col(ROWS) + rejected)
    return share.fill_nan(0.0).alias(REJECTED_SHARE)
