"""Paths as a profile writes them: with environment variables, `~`, `{day}` and wildcards.

As far as a path exists by its very name, it is that: a folder may be called `[old]`, `a*b` or `$1`.
"""

import os
import re
from datetime import date
from glob import glob
from pathlib import Path

from assets.sources.source import SourceError
from storage.places import absolute

DAY_FIELD = "{day}"


def expanded(path: str, setting: str) -> str:
    """`path` with environment variables and `~` replaced.

    Args:
        path: As written in the profile.
        setting: Name of the setting, for the message.

    Raises:
        SourceError: a variable in it is not set.
    """
    there, rest = _split(Path(path))
    full = os.path.expandvars(str(rest))
    left = re.search(r"\$\{?(\w+)\}?", full)
    if left:
        raise SourceError(f"{setting} is {path!r}, but the environment variable {left[1]} is not set: set it")
    if there == Path():
        return os.path.expanduser(full)
    return f"{there}/{full}" if rest.parts else str(there)


def matching(pattern: str, day: date | None = None) -> list[Path]:
    """The files that `pattern` names, by name: a file, a glob, or all files of a folder.

    Raises:
        SourceError: a file's name is no text.
    """
    there, rest = _split(Path(pattern if day is None else pattern.replace(DAY_FIELD, day.isoformat())).absolute())
    found = (
        [there / name for name in sorted(glob(str(rest), root_dir=there, recursive=True))] if rest.parts else [there]
    )
    files = [file for path in found for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return [_nameable(file) for file in files if file.is_file() and not file.name.startswith((".", "_"))]


def _nameable(file: Path) -> Path:
    try:
        return absolute(file, "a landing file")
    except ValueError as error:
        raise SourceError(str(error)) from None


def _split(path: Path) -> tuple[Path, Path]:
    """The part of a path that exists, and the rest."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return there, path.relative_to(there)
