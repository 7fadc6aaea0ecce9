"""No damaged file crashes without a reason, and none costs a row that nobody touched."""

import hashlib
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.events.clean import clean_events
from assets.events.judge import Judge
from assets.events.rules import QualitySettings
from assets.sources.damage import damage_explained
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.sources.movielens import MovieLens, MovieLensSettings
from assets.sources.source import Source, SourceError
from tests.assets.sources.judging import NOW
from tests.faults.corpus import COLUMNS, DAY, EVERYTHING, LOG, RATINGS, ROWS, Damaged
from tests.faults.parquet_damage import parquet_corpus
from tests.faults.text_damage import text_corpus

FEWEST = 500
CORPUS = [*text_corpus(), *parquet_corpus()]
DAYS_OF_RATINGS = [date(1995, 1, 1) + timedelta(days=number) for number in range(40 * 365)]
"""All that can be the day of a rating; one of another time is judged on the first."""

RATED = LOG.select(
    user_id=pl.col("user_id").str.strip_prefix("user-"),
    item_id=pl.col("item_id").str.strip_prefix("item-"),
    timestamp="timestamp",
    action=pl.lit("rating"),
    value=(pl.int_range(ROWS) % 5 + 1).cast(pl.Float32),
    surface=pl.lit(None, pl.String),
)


def kinds() -> list[tuple[str, str]]:
    """Ending and damage, each once."""
    return list(dict.fromkeys((damaged.ending, damaged.name.rstrip(" 0123456789")) for damaged in CORPUS))


def test_the_corpus_is_large_and_always_the_same() -> None:
    contents = [damaged.content for damaged in CORPUS]
    assert len(set(contents)) >= FEWEST
    again = hashlib.sha256(b"".join(damaged.content for damaged in text_corpus())).digest()
    assert again == hashlib.sha256(b"".join(contents[: len(text_corpus())])).digest()


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: " ".join(kind))
def test_a_file_is_refused_in_a_sentence_or_no_good_row_is_lost(kind: tuple[str, str], tmp_path: Path) -> None:
    for damaged in CORPUS:
        if (damaged.ending, damaged.name.rstrip(" 0123456789")) == kind:
            judge(damaged, tmp_path)


def judge(damaged: Damaged, folder: Path) -> None:
    """Fails with the name of the damage."""
    path = folder / ("ratings.dat" if damaged.ending == "dat" else f"{DAY}.{damaged.ending}")
    path.write_bytes(damaged.content)
    source, days = _source(damaged, folder)
    told = f"{damaged.ending}, {damaged.name}"
    try:
        accepted, rejected, rows = _cleaned(source, days, folder)
    except SourceError as error:
        refused = str(error)
    except BaseException as error:
        raise AssertionError(f"{told}: {type(error).__name__}: {error}") from error
    else:
        refused = None
    if refused is not None:
        assert not damaged.readable, f"{told}: {refused}"
        assert path.name in refused, f"{told}: {refused}"
        assert "\n" not in refused, f"{told}: {refused}"
        return
    assert accepted.height + rejected.height == rows.len(), told
    assert rows.sort().to_list() == list(range(rows.len())), told
    assert damaged.records in (None, rows.len()), told
    assert set(rejected["source_row"]) <= set(rows), told
    good = _good(damaged)
    counts = accepted.select(COLUMNS).group_by(COLUMNS).len()
    found = good.join(counts, on=COLUMNS, how="left", nulls_equal=True)["len"]
    assert found.to_list() == [1] * good.height, f"{told}: {rejected}"


def _source(damaged: Damaged, folder: Path) -> tuple[Source, Sequence[date]]:
    if damaged.ending == "dat":
        return MovieLens(MovieLensSettings(kind="movielens", path=str(folder)), DAYS_OF_RATINGS[0]), DAYS_OF_RATINGS
    events = {"path": f"{folder}/{{day}}.{damaged.ending}"}
    settings = {"kind": "files", "events": events, "items": {"path": str(folder)}}
    return Files(FilesSettings.model_validate(settings), DAY), [DAY]


def _cleaned(source: Source, days: Sequence[date], folder: Path) -> tuple[pl.DataFrame, pl.DataFrame, pl.Series]:
    """Accepted rows, rejected rows, and the places in the file of all rows read."""
    landed = source.land("events", days)
    actions = QualitySettings().actions
    rules = Judge(QualitySettings(actions=actions), "string", None, NOW, source.timestamp_unit("events"))
    with damage_explained(file.path for file in landed[:1]):
        rows = source.read("events", landed, days).select("source_row").collect()["source_row"]
        raw = source.read("events", landed, days)
        parts = list(clean_events(raw, rules, days, rows_in_memory=1_000_000, scratch=folder))
    if not parts:
        empty = pl.DataFrame(schema={**LOG.schema, "timestamp": pl.Int64})
        return empty, pl.DataFrame(schema={"source_row": pl.Int64}), rows
    accepted = pl.concat(part.accepted for part in parts).with_columns(pl.col("timestamp").dt.timestamp("ms"))
    return accepted, pl.concat(part.rejected for part in parts), rows


def _good(damaged: Damaged) -> pl.DataFrame:
    log = RATED if damaged.ending == RATINGS.ending else LOG
    untouched = sorted(EVERYTHING - damaged.touched)
    return log[untouched]
