"""All suites of the platform, and whether a profile names their checks correctly."""

from assets.endpoint.skew import ENDPOINT, skew_expectations
from assets.events.expectations import events_expectations
from assets.items.expectations import items_expectations
from assets.sequences.requests import request_expectations
from assets.validation.expectation import Expectation
from assets.validation.settings import QualitySettings
from storage.schema import EVENTS_TABLE, ITEMS_TABLE
from storage.sequence_store import SEQUENCES_TABLE


def suites(rules: QualitySettings) -> dict[str, list[Expectation]]:
    """Asset to its expectations.

    Raises:
        ValueError: `rules.severity` names an asset or a check that does not exist.
    """
    found = {
        EVENTS_TABLE: events_expectations(rules),
        ITEMS_TABLE: items_expectations(rules),
        SEQUENCES_TABLE: request_expectations(rules),
        ENDPOINT: skew_expectations(rules.skew, rules.severity),
    }
    strange = [key for key in rules.severity if key.split(".")[0] not in found]
    if strange:
        raise ValueError(f"quality.severity: {strange[0]} is no '<asset>.<check>' of {', '.join(found)}")
    return found
