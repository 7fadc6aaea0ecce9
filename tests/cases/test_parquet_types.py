"""Types of Parquet that Polars does not know are read, or refused with the true reason."""

from datetime import UTC, date, datetime
from pathlib import Path

from tests.assets.sources.validating import judged
from tests.cases.folder import cases, source

DAY = date(2026, 1, 1)


def test_half_hour_zones_are_read(tmp_path: Path) -> None:
    path = cases("parquet_types") / "tz_plus_0530.parquet"
    events, reasons = judged(source(path, DAY), [DAY], ["click"], "string", tmp_path)
    assert (events["timestamp"].to_list(), reasons) == ([datetime(2026, 1, 1, 5, tzinfo=UTC)] * 2, {})


def test_bytes_are_no_id(tmp_path: Path) -> None:
    path = cases("parquet_types") / "uuid_bytes.parquet"
    events, reasons = judged(source(path, DAY), [DAY], ["click"], "string", tmp_path)
    assert (events.height, reasons) == (0, {"wrong_type": 2})
