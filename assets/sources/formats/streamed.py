"""Frames that a Python generator yields, as a lazy frame: what is read at a time is one frame, never the file.

Polars reads ahead in threads of its own. A reader may have had enough (a preview, an error) while such a thread is in
Python, and if the interpreter ended then, CPython would end the thread and Rust abort the process. So the exit waits
for the frames that are being made, and no more of them are begun.
"""

import atexit
import threading
import time
from collections.abc import Callable, Iterator
from weakref import WeakSet

import polars as pl
from polars.io.plugins import register_io_source

LEAVE_SECONDS = 0.05
"""How long a thread may take, once its frame is made, to be out of Python."""


def streamed(frames: Callable[[], Iterator[pl.DataFrame]], schema: dict[str, pl.DataType]) -> pl.LazyFrame:
    """The rows of all `frames` in their order.

    An error that `frames` raises reaches whoever collects the frame, as it is.

    Args:
        frames: Called once per scan; every frame has the columns of `schema`.
        schema: Column names and types.
    """

    def scan(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        return _Scan(_wanted(frames(), columns or list(schema), predicate, rows))

    return register_io_source(scan, schema=schema, validate_schema=True, is_pure=True)


def _wanted(
    frames: Iterator[pl.DataFrame], columns: list[str], predicate: pl.Expr | None, rows: int | None
) -> Iterator[pl.DataFrame]:
    left = rows
    for frame in frames:
        part = frame.select(columns)
        if left is not None:
            part = part.head(left)
            left -= part.height
        yield part if predicate is None else part.filter(predicate)
        if left == 0:
            return


class _Scan(Iterator[pl.DataFrame]):
    """Frames, each of which is made under a lock that the exit of the interpreter takes."""

    def __init__(self, frames: Iterator[pl.DataFrame]) -> None:
        self._frames = frames
        self.busy = threading.Lock()
        _scans.add(self)

    def __next__(self) -> pl.DataFrame:
        with self.busy:
            if _exiting.is_set():
                raise StopIteration
            return next(self._frames)


_scans: WeakSet[_Scan] = WeakSet()
_exiting = threading.Event()


@atexit.register
def _leave_python() -> None:
    _exiting.set()
    scans = list(_scans)
    for scan in scans:
        with scan.busy:
            pass
    if scans:
        time.sleep(LEAVE_SECONDS)
