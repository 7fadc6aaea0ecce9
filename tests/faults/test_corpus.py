"""No damaged file crashes without a reason, and none costs a row that nobody touched."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from assets.sources.source import SourceError
from tests.faults.corpus import DAY, EVERYTHING, Damaged
from tests.faults.parquet_damage import parquet_corpus
from tests.faults.reading import Reading, read_events, read_items, read_ratings
from tests.faults.text_damage import text_corpus

FEWEST = 500
CORPUS = [*text_corpus(), *parquet_corpus()]


def kind(damaged: Damaged) -> tuple[str, str]:
    """Ending and damage, without the number of the draw."""
    return damaged.ending, damaged.name.rstrip(" 0123456789")


def test_the_corpus_is_large_and_always_the_same() -> None:
    contents = [damaged.content for damaged in text_corpus()]
    again = hashlib.sha256(b"".join(contents)).digest()
    assert again == hashlib.sha256(b"".join(damaged.content for damaged in CORPUS[: len(contents)])).digest()
    assert len({damaged.content for damaged in CORPUS}) >= FEWEST


@pytest.mark.parametrize("chosen", dict.fromkeys(map(kind, CORPUS)), ids=" ".join)
def test_a_file_is_refused_in_a_sentence_or_no_good_row_is_lost(chosen: tuple[str, str], tmp_path: Path) -> None:
    for damaged in CORPUS:
        if kind(damaged) == chosen:
            _judge(damaged, tmp_path)


def _judge(damaged: Damaged, folder: Path) -> None:
    ratings = damaged.ending == "dat"
    path = folder / ("ratings.dat" if ratings else f"{DAY}.{damaged.ending}")
    path.write_bytes(damaged.content)
    for read in [read_ratings] if ratings else [read_events, read_items]:
        told = f"{damaged.ending}, {damaged.name}, {read.__name__}"
        reading = _read(read, path, told)
        if isinstance(reading, Reading):
            _require_good_rows(damaged, reading, told)
        else:
            assert not damaged.readable, f"{told}: {reading}"
            assert path.name in reading, f"{told}: {reading}"
            assert "\n" not in reading, f"{told}: {reading}"


def _read(read: Callable[[Path], Reading], path: Path, told: str) -> Reading | str:
    """The reading, or why the file is refused."""
    try:
        return read(path)
    except SourceError as error:
        return str(error)
    except BaseException as error:
        raise AssertionError(f"{told}: {type(error).__name__}: {error}") from error


def _require_good_rows(damaged: Damaged, reading: Reading, told: str) -> None:
    """Every row is read, and either accepted or rejected; what nobody touched is accepted as it is, and once."""
    rows = reading.rows
    assert rows.sort().to_list() == list(range(rows.len())), told
    assert damaged.records in (None, rows.len()), told
    assert reading.accepted.height + reading.rejected.len() == rows.len(), told
    assert set(reading.rejected) <= set(rows), told
    good = reading.good[sorted(EVERYTHING - damaged.touched)]
    counts = reading.accepted.group_by(good.columns).len()
    found = good.join(counts, on=good.columns, how="left", nulls_equal=True)["len"]
    assert found.to_list() == [1] * good.height, told
