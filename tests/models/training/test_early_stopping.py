from hypothesis import given
from hypothesis import strategies as st

from models.training.early_stopping import best_epoch, has_stopped

VALUES = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5]), min_size=1, max_size=12)


@given(VALUES, st.integers(1, 5))
def test_it_stops_once_so_many_epochs_in_a_row_were_no_better(values: list[float], patience: int) -> None:
    last = values[-patience:]
    worse = len(values) > patience and all(value <= max(values[:-patience]) for value in last)
    assert has_stopped(values, "max", patience) == worse
    assert has_stopped([-value for value in values], "min", patience) == worse


@given(VALUES)
def test_the_best_epoch_is_the_latest_of_equal_ones(values: list[float]) -> None:
    best = best_epoch(values, "max")
    assert values[best - 1] == max(values)
    assert all(value < max(values) for value in values[best:])


def test_it_goes_on_where_nothing_is_held_out_and_where_nobody_asked() -> None:
    assert not has_stopped([0.5, 0.1, 0.1, 0.1], "max", 0)
    assert not has_stopped([], "max", 1)
