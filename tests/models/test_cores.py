"""How many cores are used."""

import os
from pathlib import Path

import pytest

from models.cores import CORES_VARIABLE, available, cores

ALLOWED = len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "100000 100000\n"}, 1),
        ({"cpu.max": "20000 100000\n"}, 1),
        ({"cpu.max": "max 100000\n"}, ALLOWED),
        ({"cpu.max": "99900000 100000\n"}, ALLOWED),
        ({"cpu/cpu.cfs_quota_us": "50000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 1),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, ALLOWED),
        ({}, ALLOWED),
    ],
)
def test_a_containers_quota_counts(files: dict[str, str], expected: int, tmp_path: Path) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    assert available(tmp_path) == expected


def test_what_the_profile_says_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CORES_VARIABLE, "7")
    assert cores() == 7
    monkeypatch.delenv(CORES_VARIABLE)
    assert cores() == available()
