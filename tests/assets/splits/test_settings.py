from datetime import UTC, date, datetime

import pytest
from pydantic import ValidationError

from assets.splits.settings import EvaluationSettings


def test_the_last_days_are_held_out_unless_a_cutoff_is_given() -> None:
    assert EvaluationSettings().cutoff_time(date(2026, 3, 14)) == datetime(2026, 3, 14, tzinfo=UTC)
    assert EvaluationSettings(window_days=7).cutoff_time(date(2026, 3, 14)) == datetime(2026, 3, 8, tzinfo=UTC)
    given = EvaluationSettings(window_days=7, cutoff=date(2026, 3, 1))
    assert given.cutoff_time(date(2026, 3, 14)) == datetime(2026, 3, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"ks": [50, 10]}, "ascending"),
        ({"ks": [0, 10]}, "ascending"),
        ({"ks": [5], "metric": "ndcg@10"}, "not measured"),
        ({"days": 3}, "Extra inputs"),
    ],
)
def test_contradictory_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EvaluationSettings.model_validate(settings)
