"""Lakes that runs by weeks fill hold what runs by days would have put there."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
from polars.testing import assert_frame_equal

from orchestration.profile import load_profile, suited_partitions
from storage.lake import Lake
from tests.orchestration.test_quarantine import genrec

FIRST = date(2026, 1, 1)
"""A Thursday, as the last day is."""

DAYS = 15
TABLES = ("events", "items", "quarantine", "event_statistics")


def write_log(path: Path, late: int = 0) -> None:
    """Some rows on every other day, one of them with an action that is not known, and `late` more on the ninth."""
    rows = [
        (f"u{user}", f"i{(user + day) % 7}", FIRST + timedelta(days=day), "clik" if user == day else "view")
        for day in range(0, DAYS, 2)
        for user in range(8)
    ]
    rows += [(f"late{n}", "i1", FIRST + timedelta(days=8), "view") for n in range(late)]
    times = [datetime.combine(day, datetime.min.time(), UTC).isoformat() for _, _, day, _ in rows]
    log = pl.DataFrame(rows, schema=["user_id", "item_id", "day", "action"], orient="row")
    log.with_columns(timestamp=pl.Series(times)).drop("day").write_csv(path)


def profile(folder: Path, name: str, kind: str) -> str:
    path = folder / f"{name}.yaml"
    path.write_text(
        f"first_day: {FIRST}\nlast_day: {FIRST + timedelta(days=DAYS)}\npartitions: {kind}\nray: {{mode: inline}}\n"
        f"training: {{positive_actions: [view]}}\nlake: {{root: '{folder}/{name}'}}\n"
        f"quality: {{max_rejected_share: 1}}\n"
        f"source: {{kind: files, events: {{path: '{folder}/log.csv', timestamp_unit: iso}}}}\n"
    )
    return str(path)


def tables(folder: Path, name: str) -> dict[str, pl.DataFrame]:
    lake = Lake(str(folder / name))
    return {table: (found := lake.scan(table).collect()).sort(found.columns[:4]) for table in TABLES}


def test_a_week_replaces_its_days_also_in_a_lake_that_was_filled_by_days(tmp_path: Path, home: Path) -> None:
    write_log(tmp_path / "log.csv")
    genrec("materialize", "-p", profile(tmp_path, "turned", "day"), "--select", "*events")
    write_log(tmp_path / "log.csv", late=5)
    week = ("--days", "2026-01-09:2026-01-09")
    genrec("materialize", "-p", profile(tmp_path, "turned", "week"), "--select", "*events", *week)
    genrec("materialize", "-p", profile(tmp_path, "weeks", "week"), "--select", "*events")
    turned, weeks = tables(tmp_path, "turned"), tables(tmp_path, "weeks")
    assert weeks["events"].filter(pl.col("user_id").str.starts_with("late")).height == 5
    assert weeks["events"]["day"].n_unique() == 8
    assert weeks["quarantine"]["day"].n_unique() == 4
    for table in TABLES:
        assert_frame_equal(turned[table], weeks[table], check_row_order=True)


def test_long_spans_have_longer_partitions(tmp_path: Path, home: Path) -> None:
    kinds = {1: "day", 1_500: "day", 1_501: "week", 10_500: "week", 10_501: "month"}
    assert {days: suited_partitions(days) for days in kinds} == kinds
    path = Path(profile(tmp_path, "long", "auto"))
    path.write_text(path.read_text().replace(f"first_day: {FIRST}", "first_day: 2016-01-01"))
    assert load_profile(str(path)).partitioned_by() == "week"
    path.write_text(path.read_text().replace(f"last_day: {FIRST + timedelta(days=DAYS)}\n", ""))
    assert load_profile(str(path)).partitioned_by() == "day", "days that grow are added one by one"
