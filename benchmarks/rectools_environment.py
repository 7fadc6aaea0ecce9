"""RecTools in an environment of its own: it needs older numpy, pandas and attrs than this project."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from benchmarks.figures import Report

REQUIREMENT = "rectools[torch]==0.19.0"
MARKER = "installed"


def is_installed(folder: Path) -> bool:
    """Whether the environment in `folder` is there and whole."""
    return (folder / MARKER).exists()


def rectools_python(folder: Path, report: Report) -> Path:
    """The interpreter of the environment in `folder`, which is made and filled from PyPI where it is not there.

    Packages of this project's own environment show through where RecTools allows their version: torch above all, so
    that both sides compute with the same build of it.

    Raises:
        RuntimeError: pip failed.
    """
    python = folder / "bin" / "python"
    if is_installed(folder):
        return python
    report(f"installing {REQUIREMENT} in {folder}, once")
    venv.create(folder, with_pip=True, clear=True)
    own = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    done = subprocess.run([python, "-m", "pip", "install", "-q", REQUIREMENT], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{REQUIREMENT} could not be installed, use --no-rectools: {done.stderr.strip()[-500:]}")
    (folder / MARKER).touch()
    return python
