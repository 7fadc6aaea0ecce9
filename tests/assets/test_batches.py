"""All rows come, or an error does."""

import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.exceptions import PanicException

from assets.batches import batches
from assets.sources.damage import damage_explained
from assets.sources.formats.streamed import streamed
from assets.sources.source import SourceError


@given(st.integers(0, 5_000), st.integers(1, 3_000))
def test_every_row_comes_once_and_in_order(count: int, size: int) -> None:
    rows = pl.LazyFrame({"n": range(count)}, schema={"n": pl.Int64})
    assert [n for batch in batches(rows, size) for n in batch["n"]] == list(range(count))


def test_an_error_comes_after_the_rows_before_it() -> None:
    def frames() -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"n": [1, 2]})
        raise SourceError("the file x is damaged: write it again")

    with pytest.raises(SourceError, match="the file x is damaged"):
        list(batches(streamed(frames, {"n": pl.Int64()}), 1))


def test_a_reader_that_has_had_enough_ends_the_work() -> None:
    made: list[int] = []

    def frames() -> Iterator[pl.DataFrame]:
        for number in range(10_000):
            made.append(number)
            yield pl.DataFrame({"n": [number]})

    reader = batches(streamed(frames, {"n": pl.Int64()}), 1)
    assert next(reader)["n"].to_list() == [0]
    reader.close()  # type: ignore[attr-defined]
    assert len(made) < 10_000


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A Parquet file of whose first page Polars 2.1 panics."""
    sink = io.BytesIO()
    pl.DataFrame({"n": [f"user-{n}" for n in range(10)]}).write_parquet(sink, compression="uncompressed")
    content = sink.getvalue()
    path = tmp_path / "x.parquet"
    path.write_bytes(content[:140] + bytes(20) + content[160:])
    return path


def test_a_damaged_file_among_others_is_named(damaged: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"n": ["a"]}).write_parquet(whole)
    files = [str(whole), str(damaged)]
    with pytest.raises(SourceError, match=r"x\.parquet is damaged .*: write it again$"), damage_explained(files):
        list(batches(pl.scan_parquet(files), 10))


def test_an_error_that_is_no_files_fault_stays_as_it_is(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"n": ["a"]}).write_parquet(whole)
    with pytest.raises(pl.exceptions.ColumnNotFoundError), damage_explained([str(whole)]):
        pl.scan_parquet(whole).select("m").collect()
    with pytest.raises(SourceError, match="Polars cannot read the 1 files from"), damage_explained([str(whole)]):
        raise PanicException("too deep")
