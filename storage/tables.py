"""Delta tables by the folder or URI that they are in, whatever the folder is called.

delta-rs takes a folder for a URI: `[`, `%20` or a line break in its path make it open another folder, or none, and it
looks through links. Such a folder it gets as another one, on a plain path, that holds a link to each of the table's
files and folders. The log is read and written through it, data files are read through it and written where they belong.
"""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

import polars as pl
from deltalake import DeltaTable

from storage.places import PLAIN, is_uri, nickname, private_folder

LOG = "_delta_log"

Options = Mapping[str, str] | None
"""Credentials and endpoint of an object store, as delta-rs names them."""


def has_table(place: str, options: Options = None) -> bool:
    """Whether a commit was made at `place`, a folder or URI."""
    return DeltaTable.is_deltatable(location(place), dict(options) if options else None)


def open_table(place: str, version: int | None = None, options: Options = None) -> DeltaTable:
    """The log of the table at `place`, a folder or URI; the newest version where none is named.

    Raises:
        TableNotFoundError: there is none.
    """
    return DeltaTable(location(place), version=version, storage_options=dict(options) if options else None)


def scan_table(place: str, version: int | None = None, options: Options = None) -> pl.LazyFrame:
    """Lazily reads the table at `place`, a folder or URI; the newest version where none is named."""
    return pl.scan_delta(open_table(place, version, options), storage_options=dict(options) if options else None)


def location(place: str) -> str:
    """What delta-rs and Polars take for the folder or URI `place` and no other."""
    folder = folder_of(place)
    if folder is None or PLAIN.fullmatch(str(folder)):
        return place
    return str(_links(folder))


def new_location(place: str) -> str:
    """`location` where a first commit is to be made."""
    if folder := folder_of(place):
        (folder / LOG).mkdir(parents=True, exist_ok=True)
    return location(place)


def folder_of(place: str) -> Path | None:
    """The local folder that `place` is; None in an object store."""
    if not is_uri(place):
        return Path(place).absolute()
    url = urlsplit(place)
    return Path(unquote(url.path)) if url.scheme == "file" else None


def _links(folder: Path) -> Path:
    """A folder on a plain path with a link to everything that is in `folder` now."""
    links = private_folder("links") / nickname(folder)
    links.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):
        for entry in os.scandir(folder):
            with suppress(FileExistsError):
                (links / entry.name).symlink_to(entry.path)
    for link in os.scandir(links):
        if not os.path.exists(link.path):
            with suppress(FileNotFoundError):
                os.unlink(link.path)
    return links
