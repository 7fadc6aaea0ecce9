"""Jobs that look after the data: replaying what was quarantined, forgetting a person, compaction, retention."""

from datetime import UTC, date, datetime

import dagster as dg
from pydantic import Field

from assets.events.judge import Judge, known_items
from assets.events.kept import clean_kept_days
from assets.resources import LakeResource, QualityResource, SourceResource
from assets.schema import EVENTS_TABLE, ITEMS_TABLE
from assets.staging import Staging


class ReplayConfig(dg.Config):
    """Which days are cleaned again from what the tables kept of them."""

    days: list[str] = Field(description="Days whose landing files are gone, ISO.")


@dg.op
def clean_days_without_landing_files(
    context: dg.OpExecutionContext,
    config: ReplayConfig,
    lake: LakeResource,
    source: SourceResource,
    quality: QualityResource,
) -> None:
    """Judges events and quarantined rows of the days again, and publishes what is good now."""
    store, rules, days = lake.open(), quality.load(), [date.fromisoformat(day) for day in config.days]
    known = known_items(store.scan(ITEMS_TABLE)) if rules.reject_unknown_items else None
    judge = Judge(rules, lake.ids, known, datetime.now(UTC), source.open().timestamp_unit("events"))
    with Staging(store) as staging:
        staged = clean_kept_days(store, staging, judge, days, lake.rows_in_memory)
    context.log.info(f"{len(days)} days: {staged.rows_accepted} events, {staged.rows_rejected} rows stay put aside")
    for day, rows in staged.accepted.iter_rows():
        metadata = {"dagster/row_count": rows, "replayed": "from the tables, the landing files being gone"}
        context.log_event(dg.AssetMaterialization(EVENTS_TABLE, partition=day.isoformat(), metadata=metadata))


@dg.job(description="Cleans days again whose landing files are gone, from what the tables kept of them.")
def replay() -> None:
    clean_days_without_landing_files()
