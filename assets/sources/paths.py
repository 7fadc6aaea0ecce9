"""Paths as a profile writes them: with environment variables, `~` and `{day}`."""

import os
import re
from datetime import date
from glob import glob
from pathlib import Path

from assets.sources.source import SourceError

DAY_FIELD = "{day}"


def expanded(path: str, setting: str) -> str:
    """`path` with environment variables and `~` replaced.

    Args:
        path: As written in the profile.
        setting: Name of the setting, for the message.

    Raises:
        SourceError: a variable in it is not set.
    """
    full = os.path.expanduser(os.path.expandvars(path))
    left = re.search(r"\$\{?(\w+)\}?", full)
    if left:
        raise SourceError(f"{setting} is {path!r}, but the environment variable {left[1]} is not set: set it")
    return full


def matching(pattern: str, day: date | None = None) -> list[Path]:
    """The files that `pattern` names, by name: a file, a glob, or all files of a folder."""
    filled = pattern if day is None else pattern.replace(DAY_FIELD, day.isoformat())
    found = [Path(name) for name in sorted(glob(filled, recursive=True))]
    files = [file for path in found for file in (sorted(path.iterdir()) if path.is_dir() else [path])]
    return [file.absolute() for file in files if file.is_file() and not file.name.startswith((".", "_"))]
