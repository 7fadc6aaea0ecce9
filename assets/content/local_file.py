"""Opens image files: regular files below the folders that the profile allows, wherever links and `..` lead."""

from __future__ import annotations

import os
import stat
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import unquote, urlsplit

from assets.content.image_rejected import ImageRejected
from assets.content.settings import ImageSettings

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK
"""A pipe without a writer would block the reader for ever before its type can be seen."""


def read_local(source: str, settings: ImageSettings) -> bytes:
    """The content of the file at `source` (a path or a file URI), at most one byte more than allowed.

    Raises:
        ImageRejected: the file is not there, not regular, not readable, or not below an allowed folder.
    """
    try:
        return _content(source, settings)
    except FileNotFoundError as error:
        raise ImageRejected("file not found") from error
    except (OSError, ValueError) as error:
        if isinstance(error, ImageRejected):
            raise
        raise ImageRejected("file cannot be read") from error


def local_path(source: str, settings: ImageSettings) -> Path:
    """The real path of the file at `source`, links resolved.

    Raises:
        ImageRejected: that is not below an allowed folder.
        ValueError: this is not a path.
    """
    return Path(*_place(source, settings))


def _content(source: str, settings: ImageSettings) -> bytes:
    root, parts = _place(source, settings)
    with ExitStack() as opened:
        place = _opened(opened, root, FOLDER, None)
        # Step by step and without links: between the check and the opening nobody can put one in the way.
        for name in parts.parts[:-1]:
            place = _opened(opened, name, FOLDER, place)
        file = _opened(opened, parts.name, FILE, place)
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ImageRejected("not a regular file")
        with os.fdopen(os.dup(file), "rb") as stream:
            return stream.read(settings.max_bytes + 1)


def _opened(opened: ExitStack, name: str | Path, flags: int, folder: int | None) -> int:
    descriptor = os.open(name, flags, dir_fd=folder)
    opened.callback(os.close, descriptor)
    return descriptor


def _place(source: str, settings: ImageSettings) -> tuple[Path, Path]:
    """The allowed folder that holds `source` and the way from there, both without links."""
    given = _path_of(source)
    if not (given.is_absolute() or settings.root):
        raise ImageRejected("a relative path, and content.image.root is not set")
    real = Path(os.path.realpath(Path(settings.root) / given))
    roots = [Path(os.path.realpath(root)) for root in (settings.root, *settings.roots) if root]
    inside = next((root for root in roots if real.is_relative_to(root)), None)
    if inside is None:
        raise ImageRejected("outside the folders that content.image.roots allows")
    if real == inside:
        raise ImageRejected("not a regular file")
    return inside, real.relative_to(inside)


def _path_of(source: str) -> Path:
    if source[:7].lower() != "file://":
        return Path(source)
    parts = urlsplit(source)
    if parts.netloc not in ("", "localhost") or parts.query or parts.fragment:
        raise ImageRejected("a file URI with more than a path")
    return Path(unquote(parts.path))
