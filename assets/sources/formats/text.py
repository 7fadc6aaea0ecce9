"""Text files as blocks of lines: plain or gzip, any encoding, undecodable bytes marked instead of fatal."""

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from assets.sources.source import SourceError, because

UNDECODABLE = "\N{REPLACEMENT CHARACTER}"
"""Stands where bytes were not valid in the file's encoding."""

LINE = "line"
GZIP_MAGIC = b"\x1f\x8b"
UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

BLOCK_BYTES = 8 * 2**20
"""How much unpacked text is looked at at a time; reading takes a few times as much memory."""

LONGEST_LINE = 64 * 2**20
"""Characters; a longer line is no record of a log, and the file is refused rather than held in memory."""

BEGINNING = 2**20
"""Characters among which a line feed tells that lines end with one."""


def line_blocks(path: Path, encoding: str = "utf-8", block_bytes: int = BLOCK_BYTES) -> Iterator[pl.Series]:
    """The file's lines without their line ends, one block after another; blank lines are among them.

    Lines end with a line feed, which may follow a carriage return; where a file begins without any, with that alone.

    A file without any is that of a quiet day.

    Raises:
        SourceError: the file is missing, a damaged gzip archive, or has a line longer than `LONGEST_LINE`.
    """
    rest = ""
    for text in _with_line_feeds(_texts(path, encoding, block_bytes)):
        whole, end, rest = (rest + text).rpartition("\n")
        if len(rest) > LONGEST_LINE:
            raise SourceError(f"{path} has a line of more than {LONGEST_LINE} characters: check that it is a text file")
        if end:
            yield _lines(whole)
    if rest.strip():
        yield _lines(rest)


def first_line(path: Path, encoding: str = "utf-8") -> str:
    """The first line that is not blank, without reading the rest; empty where there is none.

    Raises:
        SourceError: as `line_blocks`.
    """
    for lines in line_blocks(path, encoding, io.DEFAULT_BUFFER_SIZE):
        filled = lines.filter(lines.str.strip_chars() != "")
        if not filled.is_empty():
            return str(filled[0])
    return ""


def _with_line_feeds(texts: Iterator[str]) -> Iterator[str]:
    """`texts` with a line feed for each carriage return where these alone end the lines."""
    begun = ""
    for text in texts:
        begun += text
        if "\n" in begun or len(begun) > BEGINNING:
            break
    beginning = begun[:BEGINNING]
    if "\r" not in beginning or "\n" in beginning:
        yield begun
        yield from texts
    else:
        yield begun.replace("\r", "\n")
        yield from (text.replace("\r", "\n") for text in texts)


def _texts(path: Path, encoding: str, block_bytes: int) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder(encoding)(errors="replace")
    start = True
    for block in _unpacked(path, block_bytes):
        if start and block.startswith(UTF_16_MARKS) and not encoding.lower().startswith(("utf-16", "utf_16", "utf16")):
            raise SourceError(f"{path} is in UTF-16, as its first bytes say: set `encoding` to utf-16")
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeError as error:
            raise SourceError(
                f"{path} is not in {encoding} ({because(error)}): set `encoding` to what it is"
            ) from error
        if start and text:
            text, start = text.removeprefix("\ufeff"), False
        yield text


def _unpacked(path: Path, block_bytes: int) -> Iterator[bytes]:
    """Blocks of the content, the last one empty."""
    try:
        with path.open("rb") as file:
            zipped = file.read(len(GZIP_MAGIC)) == GZIP_MAGIC
        with gzip.open(path, "rb") if zipped else path.open("rb") as content:
            block = b"first"
            while block:
                block = content.read(block_bytes)
                yield block
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(
            f"{path} cannot be read ({because(error)}): write it again, or check that it is there and readable"
        ) from error


def _lines(text: str) -> pl.Series:
    # A text that is empty is one blank line, which read_lines would not see.
    return pl.read_lines(io.BytesIO(f"{text}\n".encode()), name=LINE)[LINE]
