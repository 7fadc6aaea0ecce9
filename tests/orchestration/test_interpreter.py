"""Python on a plain path, wherever its environment is."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.interpreter import interpreter
from storage.places import PLAIN


def asked(python: str, code: str) -> str:
    return subprocess.run([python, *code.split(" ", 1)], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize("name", ["My Projects ü [x]", "%20 'q' \"p\" $(x) #"])
def test_an_environment_with_an_odd_name_is_the_same_on_a_plain_path(tmp_path: Path, name: str) -> None:
    odd = tmp_path / name
    odd.symlink_to(sys.prefix)
    python = asked(str(odd / "bin" / "python"), "-m orchestration.interpreter")
    assert PLAIN.fullmatch(python)
    plain = Path(asked(python, "-c import sys; print(sys.prefix)"))
    assert plain.samefile(odd)
    assert PLAIN.fullmatch(asked(python, "-c import deltalake; print(deltalake.__file__)"))


def test_a_plain_path_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "prefix", "/opt/genrec/.venv")
    monkeypatch.setattr(sys, "executable", "/opt/genrec/.venv/bin/python")
    assert interpreter() == "/opt/genrec/.venv/bin/python"
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3")
    assert interpreter() == "/usr/bin/python3"
