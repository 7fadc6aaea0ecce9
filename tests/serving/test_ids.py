import polars as pl
import pytest

from serving.ids import as_stored, stored_series


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (7, 7),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("007", None),
        ("7.0", None),
        (" 7", None),
        ("-0", None),
        ("\u0667", None),
        ("", None),
        (2**63 - 1, 2**63 - 1),
        (2**63, None),
        (str(2**70), None),
    ],
)
def test_only_exact_integers_match_integer_ids(value: str | int, stored: int | None) -> None:
    assert as_stored(value, pl.Int64()) == stored


def test_integers_match_string_ids_by_their_digits() -> None:
    assert as_stored(2**70, pl.String()) == str(2**70)
    assert stored_series([7, "a"], pl.String()).to_list() == ["7", "a"]
    assert stored_series([7, "a"], pl.Int64()).to_list() == [7, None]
    assert stored_series([], pl.Int64()).dtype == pl.Int64
