"""A training set of more interactions than fit into memory."""

from pathlib import Path

from assets.training.dataset import read_dataset
from benchmarks.training_set import write_log, write_set
from tests.limited_memory import run_within

USERS = 60_000
MIB = 450
"""With all of the log at once the same takes more than twice as much."""


def test_the_log_need_not_fit_into_memory(tmp_path: Path) -> None:
    write_log(tmp_path, USERS)
    run_within(MIB, f"{write_set.__module__}:{write_set.__name__}", root=str(tmp_path), rows_in_memory=200_000)
    assert len(read_dataset(tmp_path / "set").histories) == USERS
