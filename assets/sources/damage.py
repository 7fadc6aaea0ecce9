"""What a library says of a damaged file while its rows are collected, as a sentence that names the file."""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from polars.exceptions import PanicException, PolarsError

from assets.batches import batches
from assets.sources.formats.parquet import scan_parquet
from assets.sources.source import SourceError, because

PARQUET = b"PAR1"

LOOKED_AT = 100_000
"""Rows of a file that are read at once to find what is wrong with it."""

LIBRARY_ERRORS = (PolarsError, PanicException, OSError)
"""A PanicException is no Exception, so unless it is caught here, it ends the process."""


@contextmanager
def damage_explained(paths: Iterable[str]) -> Iterator[None]:
    """Where collecting rows of the files at `paths` fails, looks for the damaged one.

    Text is checked while it is read, but of Parquet Polars reads on, and tells neither file nor row. So the files are
    read once more, one by one, which costs nothing as long as none is damaged.

    Raises:
        SourceError: one of the files is damaged, or Polars gives up on them.
    """
    try:
        yield
    except LIBRARY_ERRORS as error:
        files = list(dict.fromkeys(paths))
        for path in files:
            if damage := _damage(Path(path)):
                raise SourceError(f"{path} is damaged ({damage}): write it again") from error
        if not isinstance(error, PanicException):
            raise
        raise SourceError(
            f"Polars cannot read the {len(files)} files from {files[0]} on ({because(error)}): write them again with "
            "plain types"
        ) from error


def _damage(path: Path) -> str | None:
    """What is wrong with a Parquet file; None where nothing is, or it is none."""
    if not _is_parquet(path):
        return None
    try:
        for _ in batches(scan_parquet(path), LOOKED_AT):
            pass
    except LIBRARY_ERRORS as error:
        return because(error)
    return None


def _is_parquet(path: Path) -> bool:
    """By either of its ends, of which one may be lost."""
    with path.open("rb") as file:
        first = file.read(len(PARQUET))
        file.seek(-min(len(PARQUET), path.stat().st_size), os.SEEK_END)
        return PARQUET in (first, file.read())
