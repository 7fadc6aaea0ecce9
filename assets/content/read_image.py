"""Reads the encoded bytes of an image from where the catalogue says, as far as the profile allows it.

A catalogue is someone else's text. It must not make this machine open any file, pipe or address that it names.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from assets.content.download import download
from assets.content.image_rejected import ImageRejected
from assets.content.local_file import local_path, read_local
from assets.content.settings import ImageSettings
from assets.content.time_limit import within

if TYPE_CHECKING:
    from pyarrow import fs

Source = bytes | str | None
"""Encoded bytes, a path, a URI, or nothing."""

SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def read(source: Source, settings: ImageSettings) -> bytes:
    """The encoded bytes behind `source`, at most `settings.max_bytes` of them.

    Raises:
        ImageRejected: nothing there, too large, or not to be read by the profile.
    """
    if not source:
        raise ImageRejected("no image given")
    content = source if isinstance(source, bytes) else _read(source, settings)
    if not content:
        raise ImageRejected("empty file")
    if len(content) > settings.max_bytes:
        raise ImageRejected(f"larger than {settings.max_bytes} bytes")
    return content


def stamp(source: str, settings: ImageSettings) -> str:
    """Size and time of a local file, so that an exchanged image is embedded again; empty for what is not one."""
    try:
        found = local_path(source, settings).stat()
    except (ImageRejected, OSError, ValueError):
        return ""
    return f"{found.st_size}:{found.st_mtime_ns}"


def _read(source: str, settings: ImageSettings) -> bytes:
    scheme = SCHEME.match(source)
    match scheme[1].lower() if scheme else "file":
        case "file":
            return read_local(source, settings)
        case "http" | "https":
            return download(source, settings)
        case _:
            return _read_object(source, settings)


def _read_object(source: str, settings: ImageSettings) -> bytes:
    """An object below one of `settings.stores`: the rest of the URI is its key, so no option can hide in it."""
    folders = {f"{store.partition('?')[0].rstrip('/')}/": store for store in settings.stores}
    holding = [folder for folder in folders if source.startswith(folder)]
    if not holding:
        raise ImageRejected("in no object store that content.image.stores lists")
    folder = max(holding, key=len)
    key = source.removeprefix(folder)
    if not all(part.strip(".") for part in key.split("/")):
        raise ImageRejected("no key of an object")
    try:
        return within(settings.timeout_s, _object, folders[folder], key, settings.max_bytes + 1)
    except FileNotFoundError as error:
        raise ImageRejected("object not found") from error
    except TimeoutError as error:
        raise ImageRejected(f"not read within {settings.timeout_s:g} s") from error
    except Exception as error:  # every store's client raises its own kinds
        raise ImageRejected("object cannot be read") from error


def _object(store: str, key: str, limit: int) -> bytes:
    system, folder = _opened(store)
    with system.open_input_stream(f"{folder.rstrip('/')}/{key}", compression=None) as stream:
        content: bytes = stream.read(limit)
    return content


@cache
def _opened(store: str) -> tuple[fs.FileSystem, str]:
    from pyarrow import fs

    return fs.FileSystem.from_uri(store)
