"""Landing folders, one per day: written aside and renamed whole, so a killed run leaves no half day."""

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import polars as pl
from polars.exceptions import PolarsError

MARK = "genrec.world"
LOCK = ".lock"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Lets one process at a time write below `folder`, the landing files of one table; others wait.

    What a killed one left aside is deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / LOCK, "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for aside in folder.glob(".*-*"):
            shutil.rmtree(aside, ignore_errors=True)
        yield


class DayFolder:
    """The landing files of one table and day.

    Args:
        path: Where they stand once complete.
        mark: What made them; stored in each file.
    """

    def __init__(self, path: Path, mark: str) -> None:
        self.path, self.mark = path, mark
        self.aside = path.with_name(f".{path.name}-{uuid4().hex[:8]}")

    def complete(self) -> bool:
        """True if every file is readable and was made by the same settings."""
        parts = self.parts()
        try:
            return bool(parts) and all(pl.read_parquet_metadata(part).get(MARK) == self.mark for part in parts)
        except (PolarsError, OSError):
            return False

    def parts(self) -> list[Path]:
        return sorted(self.path.glob("part-*.parquet"))

    def write(self, part: int, frame: pl.DataFrame) -> None:
        self.aside.mkdir(parents=True, exist_ok=True)
        frame.write_parquet(self.aside / f"part-{part}.parquet", metadata={MARK: self.mark})

    def publish(self) -> None:
        """Puts what was written in the place of what may have stood there."""
        if self.path.exists():
            old = self.aside.with_name(f"{self.aside.name}-old")
            self.path.rename(old)
            shutil.rmtree(old)
        self.aside.rename(self.path)
