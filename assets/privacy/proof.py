"""That nothing below a folder says anything of a person: every file is opened and searched."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.privacy.ids_in_text import MARK, written
from assets.privacy.person import Person
from models.columns import MALFORMED, ROW, USER_ID
from storage.literal_paths import scan_arrow, scan_parquet

READ_BYTES = 2**24

ESCAPED_BYTES = 32
"""Of one character, escaped several times over."""


@dataclass(frozen=True)
class Proof:
    """What a search found.

    Attributes:
        files: How many files were searched.
        found: Those that name the person.
    """

    files: int
    found: Sequence[Path]


def search(folder: Path, person: Person, leave_out: Iterable[Path] = ()) -> Proof:
    """Looks for a person in every file below `folder`, apart from `leave_out` and what lies below them.

    In Parquet and Arrow files they are looked for in the columns that name users and in quarantined rows, as forgetting
    does; in all other columns and files, of any kind, as an id after the words `user_id` and, where their id is so
    long that it is nobody else's, anywhere.
    """
    apart = [path.absolute() for path in leave_out]
    files = [path for path in sorted(folder.absolute().rglob("*")) if path.is_file() and not path.is_symlink()]
    files = [path for path in files if not any(path.is_relative_to(other) for other in apart)]
    return Proof(len(files), [path for path in files if names(path, person)])


def names(path: Path, person: Person) -> bool:
    """Whether a file names the person; one that is deleted meanwhile does not."""
    try:
        if path.suffix == ".parquet":
            return _in_table(scan_parquet(path), person)
        if path.suffix == ".arrow":
            return _in_table(scan_arrow(path), person)
    except FileNotFoundError:
        return False
    except pl.exceptions.PolarsError:
        pass  # Not what its name says: it is searched as text.
    return _in_text(path, person)


def _in_table(rows: pl.LazyFrame, person: Person) -> bool:
    schema = rows.collect_schema()
    asked = []
    if USER_ID in schema:
        asked.append(pl.col(USER_ID).cast(pl.String) == str(person.user))
    if schema.get(ROW) == pl.String:
        asked.append(person.put_aside(pl.col(ROW)))
    texts = [name for name, dtype in schema.items() if dtype == pl.String and name not in (USER_ID, MALFORMED, ROW)]
    asked += [pl.col(name).str.contains(pattern) for name in texts for pattern in _patterns(person)]
    if not asked:
        return False
    found = rows.select(pl.any_horizontal(asked).any()).collect(engine="streaming").item()
    return bool(found)


def _in_text(path: Path, person: Person) -> bool:
    patterns = [re.compile(pattern.encode()) for pattern in _patterns(person)]
    overlap, before = ESCAPED_BYTES * len(str(person.user)) + 64, b""
    with open(path, "rb") as file:
        while block := file.read(READ_BYTES):
            text = before + block
            if any(pattern.search(text) for pattern in patterns):
                return True
            before = text[-overlap:]
    return False


def _patterns(person: Person) -> list[str]:
    named = rf"{USER_ID}{MARK.pattern}{{1,12}}{written(person.user)}(?:[^0-9A-Za-z_.-]|$)"
    return [pattern for pattern in (named, person.mentions) if pattern]
