"""Random clicks: nobody is good, whether the catalogue comes once, or anew every day with or without a moment."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from storage.lake import Lake
from tests.assets.evaluation.nights import clicks_by_user, land_items, leave_one_out
from tests.cases.folder import cases
from tests.measured import measured

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]


@pytest.mark.parametrize("path", ["catalogue.csv", "with/{day}.csv", "without/{day}.csv"])
def test_nothing_can_be_learned(tmp_path: Path, path: str) -> None:
    folder, lake = cases("catalogue_snapshots"), Lake(str(tmp_path))
    land_items(lake, str(folder / path), DAYS, FIRST)
    report = leave_one_out(lake, clicks_by_user(folder / "events.csv"), DAYS[-1])
    assert report.rivals is not None
    assert report.rivals.fewest > 150
    for scorer in ("popularity", "chance"):
        assert measured(report, scorer, "ndcg@10").mean < 0.06
