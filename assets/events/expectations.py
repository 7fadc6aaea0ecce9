"""The expectation suite on events: on the accepted rows, on their summary by day, and against the week before."""

from datetime import UTC, datetime

from assets.validation.day_summary import REJECTED_SHARE, WITHOUT_TIME_SHARE
from assets.validation.drift import (
    ACTION_DISTANCE,
    DUPLICATE_SHARE,
    GAP_RATIO,
    ITEM_RATIO,
    NO_WEEK,
    NONE_DUE,
    ROWS_DUE,
    TOO_FEW_ROWS,
    UNKNOWN_ITEM_SHARE,
    USER_RATIO,
    VOLUME_RATIO,
)
from assets.validation.expectation import Expectation, between, not_null, one_of, unique_neighbours, with_overrides
from assets.validation.settings import DriftSettings, QualitySettings
from models.columns import ACTION, DAY, ITEM_ID, TIMESTAMP, USER_ID, VALUE
from storage.schema import EVENTS_TABLE


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
        between(ROWS_DUE, 1, None, "Every day has events", "warn", "days", NONE_DUE, name="every_day_has_events"),
        between(REJECTED_SHARE, 0.0, rules.max_rejected_share, "Few rows of a day are rejected", batch="days"),
        between(WITHOUT_TIME_SHARE, 0.0, rules.max_without_time_share, "Most rows say when they were", batch="days"),
        *_drift_expectations(rules.drift),
    ]
    return with_overrides(suite, EVENTS_TABLE, rules.severity)


def _drift_expectations(rules: DriftSettings) -> list[Expectation]:
    """Each day against the seven days before it."""

    def near(column: str, low: float, high: float, why: str, unknown: str = NO_WEEK) -> Expectation:
        return between(column, low, high, why, "warn", "days", unknown)

    return [
        near(VOLUME_RATIO, *rules.volume_ratio, "A day has about as many events as the days before it"),
        near(USER_RATIO, *rules.user_ratio, "A day has about as many users as the days before it"),
        near(ITEM_RATIO, *rules.item_ratio, "A day has about as many items as the days before it"),
        near(ACTION_DISTANCE, 0.0, rules.max_action_mix_distance, "Actions are mixed as in the days before"),
        near(GAP_RATIO, 0.0, rules.max_gap_ratio, "No stretch of the day lacks events"),
        near(DUPLICATE_SHARE, 0.0, rules.max_duplicate_share, "Few rows of a day repeat another", TOO_FEW_ROWS),
        near(UNKNOWN_ITEM_SHARE, 0.0, rules.max_unknown_item_share, "Few rows are of unknown items", TOO_FEW_ROWS),
    ]
