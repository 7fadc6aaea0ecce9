"""Frames that a Python generator yields, as a lazy frame: what is read at a time is one frame, never the file."""

from collections.abc import Callable, Iterator

import polars as pl
from polars.io.plugins import register_io_source


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
        left = rows
        for frame in frames():
            part = frame.select(columns or list(schema))
            if left is not None:
                part = part.head(left)
                left -= part.height
            yield part if predicate is None else part.filter(predicate)
            if left == 0:
                return

    return register_io_source(scan, schema=schema, validate_schema=True, is_pure=True)
