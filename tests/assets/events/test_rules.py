"""The profile's `quality:` section."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from assets.events.expectations import events_expectations
from assets.items.expectations import items_expectations
from assets.validation.settings import QualitySettings


@pytest.mark.parametrize(
    "section",
    [
        {"earliest_day": "2020-01-01"},
        {"earliest": "yesterday"},
        {"actions": []},
        {"actions": ["view", "view"]},
        {"max_rejected_share": 5},
        {"severity": {"events.x": "ignore"}},
        {"items": {"max_image_byte": 1}},
    ],
)
def test_a_wrong_section_is_an_error(section: dict) -> None:
    with pytest.raises(ValidationError):
        QualitySettings.model_validate(section)


def test_earliest_without_a_zone_is_utc() -> None:
    expected = datetime(2000, 1, 1, tzinfo=UTC)
    assert QualitySettings.model_validate({"earliest": "2000-01-01"}).earliest == expected
    assert QualitySettings.model_validate({"earliest": "2000-01-01T02:00:00+02:00"}).earliest == expected


def test_check_names_do_not_depend_on_the_rules() -> None:
    other = QualitySettings(actions=("a",), earliest=datetime(2020, 1, 1), value_range=(0, 5), max_rejected_share=0.5)
    for suite in (events_expectations, items_expectations):
        names = [e.name for e in suite(other)]
        assert names == [e.name for e in suite(QualitySettings())]
        assert len(set(names)) == len(names)
