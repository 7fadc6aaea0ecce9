"""Folders and URIs as people name them, for libraries that read more into a path than the name of a folder.

Polars takes a path for a pattern, a percent-encoded URL and a list of hive partitions, Dagster writes it into a
database URL, Ray into a shell command. To one that must not see the characters which mean something to it, a folder is
named by a link on a path without any.
"""

import hashlib
import os
import re
import stat
import tempfile
from contextlib import suppress
from pathlib import Path

PLAIN = re.compile(r"[A-Za-z0-9/._+-]+")
URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def is_uri(place: str) -> bool:
    """Whether `place` is in an object store rather than a folder."""
    return URI.match(place) is not None


def absolute(path: str | Path, what: str) -> Path:
    """The absolute path of a file or folder.

    Args:
        what: It is, for the message.

    Raises:
        ValueError: it is no UTF-8, so that no table can hold it and few libraries take it.
    """
    full = Path(path).absolute()
    try:
        str(full).encode()
    except UnicodeEncodeError as error:
        byte = os.fsencode(str(full)[error.start])[0]
        raise ValueError(
            f"{what} is {os.fsencode(full)!r}, where the byte 0x{byte:02x} is no UTF-8: rename that file or folder"
        ) from None
    return full


def plain(folder: Path) -> Path:
    """`folder` on a path of letters, digits and `/._+-`: itself, or a link that every process of the user shares."""
    folder = folder.absolute()
    if PLAIN.fullmatch(str(folder)):
        return folder
    link = private_folder("links") / f"{nickname(folder)}.link"
    with suppress(FileExistsError):
        link.symlink_to(folder)
    return link


def nickname(folder: Path) -> str:
    """A plain name that no other folder has, and that people still recognize."""
    digest = hashlib.sha256(str(folder).encode()).hexdigest()[:16]
    return f"{re.sub('[^A-Za-z0-9]+', '-', folder.name).strip('-')[:40]}-{digest}".lstrip("-")


def private_folder(name: str) -> Path:
    """A folder for what all processes of the user share, on a short, plain path that nobody else can enter.

    Raises:
        PermissionError: another user made it.
    """
    root = tempfile.gettempdir()
    mine = Path(root if PLAIN.fullmatch(root) else "/tmp", f"genrec-{os.getuid()}")
    with suppress(FileExistsError):
        mine.mkdir(mode=0o700)
    status = mine.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{mine} belongs to another user: remove it, or set TMPDIR to a folder of your own")
    if stat.S_IMODE(status.st_mode) != 0o700:
        mine.chmod(0o700)
    folder = mine / name
    folder.mkdir(exist_ok=True)
    return folder
