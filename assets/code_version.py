"""Which code this is: the commit, where the platform runs from a checkout, else the version of the package."""

import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHANGED = "-changed"


@cache
def code_version(root: Path = ROOT) -> str:
    """The commit that is checked out at `root`, with `-changed` behind it where tracked files differ from it.

    Without git, or where git knows these files as nobody's, the version of the installed package.
    """
    try:
        # A package that was installed into another project lies in that project's repository, but is no part of it.
        _git(root, "ls-files", "--error-unmatch", "--", "assets/code_version.py")
        return _git(root, "describe", "--always", "--abbrev=40", "--exclude=*", f"--dirty={CHANGED}")
    except (OSError, subprocess.CalledProcessError):
        return version("genrec")


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()
