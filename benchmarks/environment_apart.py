"""Packages that this project does not depend on, in an environment of their own, installed once."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from benchmarks.figures import Report

MARKER = "installed"


def is_installed(folder: Path) -> bool:
    """Whether the environment in `folder` is there and whole."""
    return (folder / MARKER).exists()


def python_with(requirement: str, folder: Path, report: Report, *, shared: bool = False) -> Path:
    """The interpreter of the environment in `folder`, which is made and filled from PyPI where it is not there.

    Args:
        requirement: What to install, as pip writes it.
        shared: Packages of this project's own environment show through where the requirement allows their version.

    Raises:
        RuntimeError: pip failed.
    """
    python = folder / "bin" / "python"
    if is_installed(folder):
        return python
    report(f"installing {requirement} in {folder}, once")
    venv.create(folder, with_pip=True, clear=True)
    if shared:
        own = folder / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
        (own / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    done = subprocess.run([python, "-m", "pip", "install", "-q", requirement], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{requirement} could not be installed, leave it out: {done.stderr.strip()[-500:]}")
    (folder / MARKER).touch()
    return python
