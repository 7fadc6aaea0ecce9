"""The check `few_items_leave_at_once`: what the days of a run take out of the shop, and days that were not believed."""

from collections.abc import Sequence
from datetime import date

import dagster as dg
import polars as pl

from assets.items.listing import LISTED, MISSING, UNREADABLE, ListingRules
from assets.metadata import markdown_table
from models.availability import PUT_ASIDE, WHOLE
from models.columns import DAY
from storage.schema import ITEMS_TABLE

FEW_LEAVE = "few_items_leave_at_once"

SPEC = dg.AssetCheckSpec(
    FEW_LEAVE,
    asset=ITEMS_TABLE,
    description="No day lacks so many of the items listed before that its file seems to be cut off, or has rows that "
    "could be any of them.",
)


def few_leave(judged: pl.DataFrame, days: Sequence[date], rules: ListingRules) -> dg.AssetCheckResult:
    """Args:
    judged: All days, as `assets.items.listing.judge_days` gives them.
    days: Those of the run.
    """
    mine = pl.col(DAY).is_in(list(days))
    doubtful, whole = rules.doubtful(judged).filter(mine), judged.filter(mine, WHOLE)
    left = int(whole[MISSING].sum())
    return dg.AssetCheckResult(
        check_name=FEW_LEAVE,
        passed=doubtful.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=_doubt(doubtful.row(0, named=True), rules) if doubtful.height else _verdict(left, whole.height),
        metadata={
            "items_that_left": left,
            "whole_days": whole.height,
            "doubtful_days": doubtful.height,
            "days": dg.MetadataValue.md(markdown_table(judged.filter(mine).drop(PUT_ASIDE).tail(31))),
        },
    )


def _doubt(day: dict[str, int], rules: ListingRules) -> str:
    lacking = f"{day[DAY]} lacks {day[MISSING]} of {day[LISTED]} listed items"
    if day[UNREADABLE]:
        return (
            f"{lacking} and has {day[UNREADABLE]} rows without an id that can be read: nobody leaves; repair these "
            "rows or have them left out of the file"
        )
    return (
        f"{lacking}, more than the share {rules.max_gone_share:g}: nobody leaves; if they are gone, set "
        "quality.items.max_gone_share in the launchpad and materialize the day again"
    )


def _verdict(left: int, whole: int) -> str:
    if not whole:
        return "nothing left: these days tell what was added or changed, or too little is known to say"
    return f"{left} items left on {whole} days that list everything"
