"""Every test gets a home of its own, so none touches the state of the person who runs it; its name is no easy one."""

import os
from pathlib import Path

import pytest

from orchestration import environment


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in os.environ if name.startswith(("GENREC_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / "My home ü [x] #%20?"
    monkeypatch.setenv(environment.HOME_VARIABLE, str(folder))
    return folder
