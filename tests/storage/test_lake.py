"""Tables under a folder and under a URI, with writers that meet."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from deltalake.exceptions import CommitFailedError
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import DAY
from storage.commit import Commit
from storage.lake import Lake, TableMissing
from storage.schema import TIME
from storage.staged_files import Staging
from storage.sweeper import STAGING

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]


@pytest.fixture(params=["folder", "uri"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    return Lake(str(tmp_path) if request.param == "folder" else tmp_path.as_uri())


def rows(value: int, *days: date, count: int = 2) -> pl.DataFrame:
    return pl.DataFrame({"x": [value] * count * len(days), DAY: [day for day in days for _ in range(count)]})


def there(lake: Lake, table: str = "t") -> list[tuple[date, int]]:
    return [(day, x) for x, day in lake.scan(table).select("x", DAY).sort(DAY, "x").collect().iter_rows()]


def parquet_files(folder: Path) -> int:
    return len(list(folder.glob("tables/*/**/*.parquet")))


def test_a_day_is_replaced_and_the_others_stay(lake: Lake) -> None:
    assert lake.replace_days("t", rows(1, *DAYS), DAYS) == 0
    assert lake.replace_days("t", rows(2, DAYS[1], count=1), [DAYS[1]]) == 1
    assert there(lake) == [(DAYS[0], 1), (DAYS[0], 1), (DAYS[1], 2), (DAYS[2], 1), (DAYS[2], 1)]
    assert lake.days("t") == DAYS
    assert lake.files("t")["num_records"].sum() == 5
    assert lake.scan("t", version=0).collect().height == 6


def test_a_day_without_rows_is_a_day_that_was_emptied(lake: Lake) -> None:
    lake.replace_days("t", rows(1, *DAYS).clear(), DAYS)
    assert there(lake) == []
    lake.replace_days("t", rows(1, *DAYS), DAYS)
    lake.replace_days("t", rows(1, FIRST).clear(), [FIRST])
    assert lake.days("t") == DAYS[1:]


def test_only_the_partitions_named_are_replaced(lake: Lake) -> None:
    for origin in ("events", "items"):
        lake.replace_days("t", rows(1, *DAYS).with_columns(origin=pl.lit(origin)), DAYS, {"origin": origin})
    lake.replace_days("t", rows(2, FIRST).with_columns(origin=pl.lit("items")), [FIRST], {"origin": "items"})
    assert lake.scan("t").filter(pl.col("x") == 2).collect()["origin"].to_list() == ["items", "items"]
    assert lake.scan("t").filter(pl.col("x") == 1).collect()["origin"].value_counts().sort("origin").rows() == [
        ("events", 6),
        ("items", 4),
    ]


def test_a_row_of_another_day_is_refused_and_nothing_is_written(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2 rows lie outside the partitions being replaced, the first on day 2026-01-"):
        lake.replace_days("t", rows(1, *DAYS[:2]), [FIRST])
    assert not lake.exists("t")
    assert parquet_files(tmp_path) == 0


def test_other_columns_are_refused_and_the_table_stays(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.replace_days("t", rows(1, FIRST), [FIRST])
    with pytest.raises(ValueError, match=r"has the columns x, day, the rows to be written y, day: .* remove"):
        lake.replace_days("t", rows(1, FIRST).rename({"x": "y"}), [FIRST])
    assert there(lake) == [(FIRST, 1)] * 2
    assert parquet_files(tmp_path) == 1, "what was written for the refused commit is deleted"


def test_a_whole_table_may_get_other_columns(lake: Lake) -> None:
    lake.overwrite("t", rows(1, FIRST))
    lake.overwrite("t", pl.DataFrame({"z": ["a"]}))
    assert lake.scan("t").collect().rows() == [("a",)]


def test_times_keep_their_type(lake: Lake) -> None:
    frame = pl.DataFrame({"at": [1, 2]}).select(pl.from_epoch("at", "ms").dt.replace_time_zone("UTC").cast(TIME))
    lake.overwrite("t", frame)
    assert lake.scan("t").collect().equals(frame)


def test_a_table_that_is_not_there_is_one_sentence(lake: Lake) -> None:
    assert lake.days("t") == []
    for read in (lambda: lake.scan("t"), lambda: lake.version("t"), lambda: lake.files("t"), lake.sequences):
        with pytest.raises(TableMissing, match=r"is not in .* yet: materialize the asset"):
            read()


def test_rows_are_added_only_to_the_version_they_were_made_for(lake: Lake) -> None:
    one = pl.DataFrame({"x": [1]})
    assert lake.append("t", one, after=None) == 0
    assert lake.append("t", one, after=0) == 1
    for stale in (None, 0):
        with pytest.raises(CommitFailedError):
            lake.append("t", one, after=stale)
    assert lake.scan("t").collect().height == 2


def test_a_file_is_written_piece_by_piece_and_read_as_a_whole(lake: Lake, tmp_path: Path) -> None:
    with lake.output("some/where/file.bin") as sink:
        sink.write(b"abc")
        sink.write(memoryview(b"def"))
    assert (tmp_path / "some/where/file.bin").read_bytes() == b"abcdef"


@pytest.mark.parametrize("before", [[], DAYS[1:], DAYS], ids=["no table", "other days", "the same day"])
def test_a_commit_in_between_is_seen(lake: Lake, monkeypatch: pytest.MonkeyPatch, before: list[date]) -> None:
    """Two runs replace one day, and the second has looked at the table before the first committed."""
    if before:
        lake.replace_days("t", rows(0, *before), before)
    _just_before_a_commit(monkeypatch, lambda: lake.replace_days("t", rows(1, FIRST), [FIRST]))
    lake.replace_days("t", rows(2, FIRST), [FIRST])
    assert there(lake)[:2] == [(FIRST, 2)] * 2
    assert lake.files("t").filter(pl.col("partition.day") == FIRST).height == 1
    assert lake.days("t") == sorted({FIRST, *before})


def _just_before_a_commit(monkeypatch: pytest.MonkeyPatch, once: Callable[[], object]) -> None:
    """Calls `once` when the next commit is ready, that is when it has read the table."""
    pending = [once]

    def disturbed(commit: Commit) -> object:
        if pending:
            pending.pop()()
        return actions(commit)

    actions = Commit._actions
    monkeypatch.setattr(Commit, "_actions", disturbed)


def test_writers_at_once_leave_the_rows_of_one_of_them(tmp_path: Path) -> None:
    lake, start = Lake(str(tmp_path)), threading.Barrier(4)

    def write(value: int) -> None:
        start.wait()
        for _ in range(3):
            lake.replace_days("t", rows(value, FIRST), [FIRST])

    threads = [threading.Thread(target=write, args=(value,)) for value in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lake.version("t") == 11
    for version in range(12):
        frame = lake.scan("t", version).collect()
        assert frame.height == 2
        assert frame["x"].n_unique() == 1
    assert not list(tmp_path.glob("tables/t/_delta_log/*#*"))
    assert [path.name for path in (tmp_path / STAGING).iterdir()] == ["door"]


CHANGES = st.lists(st.tuples(st.sets(st.sampled_from(DAYS), min_size=1), st.integers(0, 3)), min_size=1, max_size=6)


@settings(max_examples=25)
@given(CHANGES)
def test_a_table_is_what_its_days_were_last_replaced_by(
    tmp_path_factory: pytest.TempPathFactory, changes: list[tuple[set[date], int]]
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    expected: dict[date, list[tuple[date, int]]] = {}
    for value, (days, count) in enumerate(changes):
        frame = rows(value, *sorted(days), count=count).cast({"x": pl.Int64, DAY: pl.Date})
        lake.replace_days("t", frame, sorted(days))
        expected |= {day: [(day, value)] * count for day in days}
    assert there(lake) == [row for day in sorted(expected) for row in expected[day]]


def test_what_is_no_table_has_a_folder(tmp_path: Path) -> None:
    assert Lake(str(tmp_path)).folder("reports") == tmp_path / "reports"
    elsewhere = Lake("s3://bucket/genrec", artifacts=str(tmp_path / "mounted")).folder("reports")
    assert elsewhere == tmp_path / "mounted" / "reports"
    assert elsewhere.is_dir()
    with pytest.raises(ValueError, match=r"is an object store, but 'reports' needs a folder: set lake\.artifacts"):
        Lake("s3://bucket/genrec").folder("reports")


def test_staged_files_of_a_uri_root_are_committed(tmp_path: Path) -> None:
    lake = Lake(tmp_path.as_uri())
    with Staging(lake) as staging:
        file = staging.write("t", rows(1, FIRST), {DAY: FIRST.isoformat()})
        assert file.bytes == (tmp_path / "tables/t" / file.path).stat().st_size
        lake.commit_days("t", [file], rows(1, FIRST), [FIRST])
    assert there(lake) == [(FIRST, 1)] * 2
