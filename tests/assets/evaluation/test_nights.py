"""Where there is nothing to learn, nobody is good, however the catalogue comes."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from assets.items.catalogue import catalogue
from storage.lake import Lake
from tests.assets.evaluation.nights import clicks_by_user, land_items, leave_one_out
from tests.measured import measured

FIRST = date(2026, 5, 4)
DAYS = [FIRST + timedelta(days=n) for n in range(5)]
ITEMS, USERS = 120, 90


def midnight(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)


def write_log(path: Path) -> None:
    """Every user clicks a few items at random on two days."""
    draw = np.random.default_rng(1)
    lines = ["user_id,item_id,timestamp"]
    for user in range(USERS):
        for day in sorted(draw.choice(len(DAYS), 2, replace=False)):
            times = midnight(DAYS[day]) + np.sort(draw.integers(86_400_000, size=4))
            lines += [
                f"u{user},i{i},{t}" for i, t in zip(draw.choice(ITEMS, 4, replace=False).tolist(), times, strict=True)
            ]
    path.write_text("\n".join(lines))


def write_catalogue(folder: Path, kind: str) -> str:
    """One file for all days, or one a day, with or without the moment from which the items are there."""
    with_moment = kind == "snapshots with available_from"
    lines = [f"i{n},thing {n}" + (f",{midnight(FIRST)}" if with_moment else "") for n in range(ITEMS)]
    text = "\n".join(["item_id,title" + (",available_from" if with_moment else ""), *lines])
    folder.mkdir()
    if kind == "one file":
        (folder / "items.csv").write_text(text)
        return str(folder / "items.csv")
    for day in DAYS:
        (folder / f"{day}.csv").write_text(text)
    return str(folder / "{day}.csv")


@pytest.mark.parametrize("kind", ["one file", "snapshots", "snapshots with available_from"])
def test_random_clicks_give_random_numbers(tmp_path: Path, kind: str) -> None:
    lake = Lake(str(tmp_path / "lake"))
    land_items(lake, write_catalogue(tmp_path / "items", kind), DAYS, FIRST)
    moments = catalogue(lake).collect()["available_from"]
    assert moments.dt.epoch("ms").unique().to_list() == [midnight(FIRST)]
    write_log(tmp_path / "log.csv")
    report = leave_one_out(lake, clicks_by_user(tmp_path / "log.csv"), DAYS[-1])
    assert report.users > 60
    assert report.rivals is not None
    assert report.rivals.fewest >= ITEMS - 8
    # By chance .038: the mean of 1/log2(rank + 1) over ten of some 115 ranks.
    for scorer in ("popularity", "chance"):
        assert measured(report, scorer, "ndcg@10").mean < 0.11
