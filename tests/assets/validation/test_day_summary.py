"""Rows counted by day."""

from datetime import date, timedelta

import polars as pl

from assets.validation.day_summary import by_day, with_content

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=d) for d in range(3)]


def counted(*counts: int) -> pl.DataFrame:
    """(day, rows) as a run counts them: no row for a day without."""
    return pl.DataFrame({"day": DAYS, "rows": counts}).filter(pl.col("rows") > 0)


def test_small_days_are_judged_together() -> None:
    summary = by_day(counted(8, 1, 0), counted(2, 1, 0), DAYS, min_rows_judged=10)
    assert summary.rows() == [
        ("2026-01-01", 8, 2, 0.2),
        ("2026-01-02", 1, 1, None),
        ("2026-01-03", 0, 0, None),
        ("run", 9, 3, 0.25),
    ]


def test_a_single_day_is_judged_however_small() -> None:
    assert by_day(counted(1, 0, 0), counted(3, 0, 0), DAYS[:1], min_rows_judged=10).rows() == [
        ("2026-01-01", 1, 3, 0.75)
    ]


def test_an_empty_day_has_nothing_rejected() -> None:
    assert by_day(counted(0, 0, 0), counted(0, 0, 0), DAYS[:1], min_rows_judged=10).rows() == [
        ("2026-01-01", 0, 0, 0.0)
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
