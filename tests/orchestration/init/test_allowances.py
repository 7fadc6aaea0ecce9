"""What a proposed profile allows for is what the files are like, never that they were misread."""

from hypothesis import given
from hypothesis import strategies as st

from orchestration.init.allowances import Allowance, Allowances

shares = st.integers(0, 10**9).map(lambda rows: rows / 10**9)


@given(shares, shares, shares)
def test_an_allowance_covers_what_was_found_and_never_everything(one: float, other: float, without_time: float) -> None:
    found = Allowances((Allowance(one, 0.0, "x"), Allowance(other, 0.5, "y")), without_time)
    told = {key: value for key, value, _ in found.told()}
    honest = [share for share in (one, other) if share < 1]
    assert max(honest, default=0.0) <= told.get("max_rejected_share", 0.05) < 1
    assert without_time == 1 or without_time <= told.get("max_without_time_share", 0.5) < 1


@given(shares)
def test_nothing_is_learned_of_what_was_misread(share: float) -> None:
    misread = Allowance(share, 0.51, "wrong_type", " of the catalogue")
    assert list(Allowances((misread,)).told()) == []
    ((key, value, why),) = Allowances((Allowance(0.3, 0.3, "null_key"), misread)).told()
    assert (key, value) == ("max_rejected_share", 0.35)
    assert why == "of the rows of a day up to 30% are put aside (null_key)"
