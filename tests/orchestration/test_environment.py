"""The environment of what the platform starts."""

from pathlib import Path

import pytest

from models.cores import available
from orchestration.environment import variables
from orchestration.local_stack import _environment
from orchestration.profile import Profile, load_profile

THREADS = ("GENREC_CORES", "OMP_NUM_THREADS", "POLARS_MAX_THREADS")


def profile(folder: Path, more: str = "") -> Profile:
    path = folder / "shop.yaml"
    path.write_text(
        "{first_day: 2026-01-01, source: {kind: demo_world}, training: {positive_actions: [click]}" + more + "}"
    )
    return load_profile(str(path))


def test_all_libraries_have_one_budget_of_cores(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)

    def told(more: str = "") -> list[str]:
        found = variables(profile(tmp_path, more))
        return [found[name] for name in THREADS]

    assert told() == [str(available())] * 3
    assert told(", cores: 3") == ["3", "3", "3"]
    monkeypatch.setenv("POLARS_MAX_THREADS", "2")
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert told(", cores: 3") == ["3", "3", "2"], "whoever asks for fewer has fewer"
    assert "OMP_NUM_THREADS" not in _environment(profile(tmp_path)), "Ray gives each worker its own number"
