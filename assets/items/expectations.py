"""The expectation suite on items: on the accepted rows, and on their summary by day."""

from datetime import UTC, datetime

from assets.validation.day_summary import NO_CONTENT, REJECTED_SHARE, WITHOUT_CONTENT_SHARE
from assets.validation.expectation import Expectation, between, not_null, unique_together, with_overrides
from assets.validation.settings import QualitySettings
from models.columns import AVAILABLE_FROM, DAY, ITEM_ID
from storage.schema import ITEMS_TABLE

FIRST_FILM = datetime(1888, 1, 1, tzinfo=UTC)
"""Nothing that is recommended came out before the oldest film that is left."""

FAR_FUTURE = datetime(2100, 1, 1, tzinfo=UTC)


def items_expectations(rules: QualitySettings) -> list[Expectation]:
    """The suite on items. The names of the checks do not depend on the rules."""
    sparse = rules.items.max_without_content_share
    suite = [
        not_null(ITEM_ID, "An item has an id"),
        unique_together((ITEM_ID, DAY), "An item is described once a day"),
        not_null(AVAILABLE_FROM, "An item has a first day"),
        between(AVAILABLE_FROM, FIRST_FILM, FAR_FUTURE, "Items become available at a plausible time", severity="warn"),
        between(REJECTED_SHARE, 0.0, rules.max_rejected_share, "Few rows of a day are rejected", batch="days"),
        between(WITHOUT_CONTENT_SHARE, 0.0, sparse, "Most items have content", "warn", "days", NO_CONTENT),
    ]
    return with_overrides(suite, ITEMS_TABLE, rules.severity)
