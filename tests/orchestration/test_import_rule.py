"""The floors hold: an import that runs up, or past a wall, makes the linter fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FLOORS = ("benchmarks", "orchestration", "assets", "serving", "storage", "models")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for floor in FLOORS:
        shutil.copytree(ROOT / floor, tmp_path / floor, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"],
        cwd=tree,
        env={"PYTHONPATH": str(tree), "PATH": ""},
        capture_output=True,
        text=True,
    )


def test_the_code_keeps_the_rule(tree: Path) -> None:
    result = lint(tree)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("models/planted.py", "import storage.releases"),
        ("storage/planted.py", "from serving import slot"),
        ("storage/planted.py", "import dagster"),
        ("models/planted.py", "import dagster"),
        ("models/planted.py", "def f():\n    import ray"),
        ("serving/planted.py", "from assets import versions"),
        ("serving/planted.py", "import dagster"),
        ("orchestration/planted.py", "from benchmarks import figures"),
        ("assets/planted.py", "def f():\n    from orchestration import profile"),
    ],
)
def test_a_wrong_import_is_found(tree: Path, file: str, line: str) -> None:
    (tree / file).write_text(line + "\n")
    result = lint(tree)
    assert result.returncode == 1, result.stdout
    assert file.removesuffix(".py").replace("/", ".") in result.stdout


def test_packages_that_import_each_other_are_found(tree: Path) -> None:
    (tree / "assets" / "validation" / "planted.py").write_text("from assets.events import clean\n")
    result = lint(tree)
    assert result.returncode == 1, result.stdout
    assert "No cycles are allowed in assets" in result.stdout
