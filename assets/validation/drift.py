"""Days of events compared with the week before each of them."""

from datetime import timedelta

import polars as pl

from assets.validation.day_summary import PERIOD, WHOLE_RUN
from assets.validation.statistics import (
    DUPLICATES,
    ITEMS,
    LONGEST_GAP,
    REJECTED,
    ROWS,
    UNKNOWN_ITEMS,
    USERS,
    WEEK,
)
from models.columns import ACTION, ACTIONS, DAY

VOLUME_RATIO = "volume_ratio"
USER_RATIO = "user_ratio"
ITEM_RATIO = "item_ratio"
ACTION_DISTANCE = "action_mix_distance"
GAP_RATIO = "gap_ratio"
DUPLICATE_SHARE = "duplicate_share"
UNKNOWN_ITEM_SHARE = "unknown_item_share"
ROWS_DUE = "rows_due"

SHORTEST_GAP = 60
"""Minutes; a week whose longest gap is shorter counts as if it were this long: minutes are not worth a warning."""

KNOWN_DAYS = "known_days"

NO_WEEK = "no trailing week yet"
NONE_DUE = "no event was due, by the few of the week before"
TOO_FEW_ROWS = "too few rows to tell"


def with_drift(
    summary: pl.DataFrame, statistics: pl.DataFrame, earlier: pl.DataFrame, min_days: int, min_rows_judged: int
) -> pl.DataFrame:
    """`summary` with, of each day, how it compares with the seven days before it.

    Columns: volume_ratio, user_ratio, item_ratio (to the mean of those days), gap_ratio (to their longest gap),
    action_mix_distance (Jensen-Shannon distance, base 2, 0..1, to their actions together), duplicate_share and
    unknown_item_share (of the day's raw rows). Null where fewer than `min_days` of the seven are known or they have
    fewer than `min_rows_judged` events on average; a share, and the mix, also where the day itself has fewer rows.

    Besides, rows_due: the rows of the day or run, null of a day without any of which none were due: in a run of several
    days where the week before it does not show that there should be some, else where it shows that there are few.

    Args:
        summary: `assets.validation.day_summary.by_day`.
        statistics: Of the run (`assets.validation.statistics`); its later days are compared with its earlier.
        earlier: `assets.validation.statistics.earlier_days`.
    """
    before = _weeks_before(statistics, pl.concat([earlier, statistics]))
    compared = (pl.col(KNOWN_DAYS) >= min_days) & (pl.col(_before(ROWS)) >= min_rows_judged)
    alone = statistics.height == 1 and (pl.col(KNOWN_DAYS).fill_null(0) < min_days)
    due = (pl.col(ROWS) > 0) | compared.fill_null(False) | alone
    raw = pl.col(ROWS) + pl.col(REJECTED)
    days = (
        statistics.join(before, on=DAY, how="left")
        .join(_action_distances(statistics, before), on=DAY, how="left")
        .select(
            pl.col(DAY).cast(pl.String).alias(PERIOD),
            *(pl.when(compared).then(ratio).alias(name) for name, ratio in _ratios().items()),
            pl.when(compared & (pl.col(ROWS) >= min_rows_judged)).then(ACTION_DISTANCE),
            pl.when(due).then(ROWS).alias(ROWS_DUE),
            pl.when(raw >= min_rows_judged).then(pl.col(DUPLICATES) / raw).alias(DUPLICATE_SHARE),
            pl.when(raw >= min_rows_judged).then(pl.col(UNKNOWN_ITEMS) / raw).alias(UNKNOWN_ITEM_SHARE),
        )
    )
    whole = pl.when(pl.col(PERIOD) == WHOLE_RUN).then(ROWS).otherwise(ROWS_DUE).alias(ROWS_DUE)
    return summary.join(days, on=PERIOD, how="left", maintain_order="left").with_columns(whole)


def _weeks_before(statistics: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Per day of `statistics` what is `known` of the seven days before it."""
    moved = pl.concat([known.with_columns(pl.col(DAY) + timedelta(days=days)) for days in range(1, WEEK + 1)])
    return (
        moved.join(statistics.select(DAY), on=DAY, how="semi")
        .group_by(DAY)
        .agg(
            pl.len().alias(KNOWN_DAYS),
            pl.col(ROWS, USERS, ITEMS).mean().name.map(_before),
            pl.col(LONGEST_GAP).max().clip(SHORTEST_GAP).alias(_before(LONGEST_GAP)),
            pl.col(ACTIONS).explode(),
        )
    )


def _ratios() -> dict[str, pl.Expr]:
    columns = {VOLUME_RATIO: ROWS, USER_RATIO: USERS, ITEM_RATIO: ITEMS, GAP_RATIO: LONGEST_GAP}
    return {name: pl.col(column) / pl.col(_before(column)) for name, column in columns.items()}


def _action_distances(statistics: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Per day the Jensen-Shannon distance between its actions and those before it (Lin 1991; its square root)."""
    mixes = _mix(statistics, "p").join(_mix(before, "q"), on=(DAY, ACTION), how="full", coalesce=True).fill_null(0.0)
    p, q = pl.col("p"), pl.col("q")
    middle = (p + q) / 2
    divergence = sum((pl.when(x > 0).then(x * (x / middle).log(2)).otherwise(0.0) for x in (p, q)), pl.lit(0.0)) / 2
    return mixes.group_by(DAY).agg(divergence.sum().clip(0.0, 1.0).sqrt().alias(ACTION_DISTANCE))


def _mix(days: pl.DataFrame, name: str) -> pl.DataFrame:
    """The share of each action in the events of each day."""
    rows = days.select(DAY, ACTIONS).explode(ACTIONS).drop_nulls(ACTIONS).unnest(ACTIONS)
    counted = rows.group_by(DAY, ACTION).agg(pl.col(ROWS).sum())
    return counted.select(DAY, ACTION, (pl.col(ROWS) / pl.col(ROWS).sum().over(DAY)).alias(name))


def _before(column: str) -> str:
    return f"{column}_before"
