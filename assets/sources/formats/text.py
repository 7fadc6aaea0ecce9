"""Text files as lines: plain or gzip, any encoding, undecodable bytes marked instead of fatal."""

import gzip
import io
import zlib
from pathlib import Path

import polars as pl

from assets.sources.source import SourceError, because

UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands where bytes were not valid in the file's encoding."""

LINE = "line"
GZIP_MAGIC = b"\x1f\x8b"


def read_lines(path: Path, encoding: str = "utf-8") -> pl.Series:
    """The file's lines without their line ends and without blank ones.

    Raises:
        SourceError: the file is missing, empty, or a damaged gzip archive.
    """
    text = _bytes(path).decode(encoding, errors="replace").removeprefix("\ufeff")
    lines = pl.read_lines(io.BytesIO(text.encode()), name=LINE)[LINE]
    lines = lines.filter(lines.str.strip_chars() != "")
    if lines.is_empty():
        raise SourceError(f"{path} is empty: write it again, or remove it and leave its day out")
    return lines


def first_line(path: Path, encoding: str = "utf-8") -> str:
    """The first line that is not blank, without reading the rest.

    Raises:
        SourceError: as `read_lines`.
    """
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == GZIP_MAGIC
        with gzip.open(path, "rb") if zipped else path.open("rb") as file:
            lines = io.TextIOWrapper(file, encoding=encoding, errors="replace")
            first = next((line for line in lines if line.strip("\ufeff \r\n\t")), "")
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error
    if not first:
        raise SourceError(f"{path} is empty: write it again, or remove it and leave its day out")
    return first.removeprefix("\ufeff").rstrip("\r\n")


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if content.startswith(GZIP_MAGIC) else content
    except (OSError, EOFError, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> SourceError:
    return SourceError(
        f"{path} cannot be read ({because(error)}): write it again, or check that it is there and readable"
    )
