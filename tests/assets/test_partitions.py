"""Partitions of days, weeks and months: which days each holds."""

from datetime import date, timedelta

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets import partitions
from models.columns import DAY

KINDS = st.sampled_from(["day", "week", "month"])
CRON = {"day": "0 2 * * *", "week": "0 2 * * 1", "month": "0 2 1 * *"}


@given(KINDS, st.dates(date(1995, 1, 1), date(2024, 1, 1)), st.integers(1, 200))
def test_every_day_of_the_profile_is_of_one_partition(kind: str, first: date, length: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "KIND", kind)
        patch.setattr(partitions, "FIRST_DAY", first)
        patch.setattr(partitions, "END", first + timedelta(days=length))
        definition = partitions._definition()
        held = {
            date.fromisoformat(key): partitions.days_of_partition(date.fromisoformat(key))
            for key in definition.get_partition_keys()
        }
        days = [first + timedelta(days=number) for number in range(length)]
        assert [day for of_partition in held.values() for day in of_partition] == days
        assert all(held.values()), "a partition holds no day"
        assert [partitions.partition_of(day) for day in days] == [key for key, of in held.items() for _ in of]
        rows = pl.DataFrame({DAY: days}, schema={DAY: pl.Date})
        assert rows.select(partitions.partition_column())[DAY].to_list() == list(map(partitions.partition_of, days))
        assert definition.get_cron_schedule(hour_of_day=2) == CRON[kind]


def test_where_days_grow_a_week_is_there_once_it_has_ended() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(partitions, "KIND", "week")
        patch.setattr(partitions, "FIRST_DAY", date(2024, 5, 1))
        patch.setattr(partitions, "END", None)
        definition = partitions._definition()
        assert isinstance(definition, dg.TimeWindowPartitionsDefinition)
        today = date.today()
        newest = date.fromisoformat(definition.get_partition_keys()[-1])
        assert partitions.days_of_partition(newest)[-1] < today <= newest + timedelta(days=14)
        assert partitions.days_of_partition(date(2024, 4, 29))[0] == date(2024, 5, 1)
