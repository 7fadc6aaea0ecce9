"""Which code this is: a commit where there is one, and the package's version where there is none."""

import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

from assets.code_version import ROOT, code_version
from assets.data_version import digest
from models.config.training import TrainingConfig


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository that holds this platform, as far as can be seen."""
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "code_version.py").write_text("")
    for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        git(tmp_path, *arguments)
    return tmp_path


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.org"]
    done = subprocess.run(["git", "-C", folder, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_is_its_commit_and_says_when_it_was_changed(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    git(checkout, "tag", "v1")
    assert code_version.__wrapped__(checkout) == commit
    (checkout / "notes").write_text("not of the code")
    assert code_version.__wrapped__(checkout) == commit
    (checkout / "assets" / "code_version.py").write_text("changed")
    assert code_version.__wrapped__(checkout) == f"{commit}-changed"
    git(checkout, "commit", "-qam", "second")
    assert code_version.__wrapped__(checkout) == git(checkout, "rev-parse", "HEAD") != commit


def test_files_of_no_repository_are_the_packages_version(tmp_path: Path, checkout: Path) -> None:
    site = checkout / "venv" / "site-packages"
    (site / "assets").mkdir(parents=True)
    (site / "assets" / "code_version.py").write_text("")
    assert code_version.__wrapped__(site) == version("genrec")


def test_without_git_it_is_the_packages_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert code_version.__wrapped__(ROOT) == version("genrec")


def test_a_digest_differs_where_a_setting_does() -> None:
    plain = TrainingConfig()
    assert digest("a", plain) == digest("a", TrainingConfig())
    assert digest("a", plain) != digest("a", plain.model_copy(update={"seed": 1}))
    assert digest("a", plain) != digest("b", plain)
    assert digest({"x": 1, "y": 2}) == digest({"y": 2, "x": 1})
