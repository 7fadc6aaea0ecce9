"""The expectation suite on events: on the accepted rows, and on their summary by day."""

from datetime import UTC, datetime

from assets.events.rules import QualitySettings
from assets.quality.expectation import Expectation, between, not_null, one_of, unique_neighbours, with_overrides
from assets.quality.summary import REJECTED_SHARE, ROWS
from assets.schema import EVENTS_TABLE
from models.columns import ACTION, DAY, ITEM_ID, TIMESTAMP, USER_ID, VALUE


def events_expectations(rules: QualitySettings, now: datetime | None = None) -> list[Expectation]:
    """The suite on events; `now` bounds their timestamps. The names of the checks do not depend on the rules."""
    latest = (now or datetime.now(UTC)) + rules.future_tolerance
    suite = [
        not_null(USER_ID, "An event has a user"),
        not_null(ITEM_ID, "An event has an item"),
        not_null(TIMESTAMP, "An event has a time"),
        not_null(ACTION, "An event has an action"),
        between(TIMESTAMP, rules.earliest, latest, "Events lie between the earliest allowed moment and now"),
        one_of(ACTION, rules.actions, "Actions are of the declared vocabulary"),
        unique_neighbours((USER_ID, ITEM_ID, TIMESTAMP, ACTION), DAY, "An event is counted once"),
        between(VALUE, *rules.value_range, "Values are plausible", severity="warn"),
        between(ROWS, 1, None, "Every day has events", severity="warn", batch="days"),
        between(REJECTED_SHARE, 0.0, rules.max_rejected_share, "Few rows of a day are rejected", batch="days"),
    ]
    return with_overrides(suite, EVENTS_TABLE, rules.severity)
