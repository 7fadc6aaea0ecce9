"""Rows counted by day."""

from datetime import date, timedelta

import polars as pl

from assets.validation.day_summary import by_day, with_content

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=d) for d in range(3)]


def counted(*counts: int, reason: str = "malformed") -> pl.DataFrame:
    """(day, reason, rows) as a run counts them: no row for a day without."""
    return pl.DataFrame({"day": DAYS, "reason": reason, "rows": counts}).filter(pl.col("rows") > 0)


def test_small_days_are_judged_together() -> None:
    summary = by_day(counted(8, 1, 0), counted(2, 1, 0), DAYS, min_rows_judged=10)
    assert summary.rows() == [
        ("2026-01-01", 8, 2, 0.2, None),
        ("2026-01-02", 1, 1, None, None),
        ("2026-01-03", 0, 0, None, None),
        ("run", 9, 3, 0.25, 0.0),
    ]


def test_a_single_day_is_judged_however_small() -> None:
    assert by_day(counted(1, 0, 0), counted(3, 0, 0), DAYS[:1], min_rows_judged=10).rows() == [
        ("2026-01-01", 1, 3, 0.75, 0.0)
    ]


def test_rows_without_a_time_spoil_neither_their_day_nor_the_run() -> None:
    rejected = pl.concat([counted(6, 0, 0, reason="no_time"), counted(2, 0, 0)])
    summary = by_day(counted(8, 4, 0), rejected, DAYS, min_rows_judged=1)
    shares = summary.select("period", "rejected", "rejected_share", "without_time_share").rows()
    assert shares[0] == ("2026-01-01", 8, 0.2, None)
    assert shares[-1] == ("run", 8, 2 / 14, 6 / 20)


def test_an_empty_day_has_nothing_rejected() -> None:
    assert by_day(counted(0, 0, 0), counted(0, 0, 0), DAYS[:1], min_rows_judged=10).rows() == [
        ("2026-01-01", 0, 0, 0.0, 0.0)
    ]


def test_share_of_items_without_content() -> None:
    items = pl.DataFrame(
        {
            "day": [FIRST] * 4,
            "title": ["a", None, None, None],
            "description": [None, "b", None, None],
            "image": [None] * 4,
            "image_bytes": [None, None, b"x", None],
        }
    )
    summary = with_content(by_day(counted(4, 0, 0), counted(0, 0, 0), DAYS, min_rows_judged=1), items)
    assert summary["without_content_share"].to_list() == [0.25, None, None, None]
    without = with_content(by_day(counted(4, 0, 0), counted(0, 0, 0), DAYS, min_rows_judged=1), items, offered=False)
    assert without["without_content_share"].to_list() == [None] * 4
