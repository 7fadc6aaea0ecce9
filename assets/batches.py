"""The rows of a lazy frame batch by batch, to the last one or to an error."""

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from queue import Empty, Queue

import polars as pl

POLL_SECONDS = 0.05


def batches(rows: pl.LazyFrame, size: int) -> Iterator[pl.DataFrame]:
    """Batches of about `size` rows in their order, no more than two of which are in memory.

    Polars' own `collect_batches` ends as if all rows had come where its engine panics, as it does on some damaged pages
    of Parquet. `sink_batches` tells, but it calls back; so it works in a thread that hands one batch over at a time.

    Raises:
        BaseException: whatever ended the query, Polars' PanicException, which is no Exception, included.
    """
    handed: Queue[pl.DataFrame | None] = Queue(maxsize=1)
    ended = threading.Event()
    errors: list[BaseException] = []

    def hand_over(batch: pl.DataFrame) -> bool:
        handed.put(batch)
        return ended.is_set()

    def work() -> None:
        try:
            rows.sink_batches(hand_over, chunk_size=size, maintain_order=True, engine="streaming")
        except BaseException as error:
            errors.append(error)
        handed.put(None)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    try:
        while (batch := handed.get()) is not None:
            yield batch
        if errors:
            raise errors[0]
    finally:
        ended.set()
        while worker.is_alive():
            with suppress(Empty):
                handed.get(timeout=POLL_SECONDS)


def map_rows(frame: pl.LazyFrame, change: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.LazyFrame:
    """`frame` with `change` applied to every batch; `change` keeps the columns and looks at each row by itself."""
    return frame.map_batches(
        change,
        predicate_pushdown=False,
        projection_pushdown=False,
        slice_pushdown=False,
        validate_output_schema=False,
        streamable=True,
    )
