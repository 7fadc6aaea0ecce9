"""Pieces of work in threads and on a real Ray cluster, whole and with a worker lost."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.engine import Engine, LocalEngine, RayEngine, open_engine
from assets.events.row_validator import RowValidator
from assets.events.stage import Cleaning, DaysOfEvents, stage_days, stage_events
from assets.sequences.build import BucketTask, bring_up_to_date, build_buckets
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.validation.settings import QualitySettings
from assets.validation.staged import Staged
from assets.validation.statistics import Tally
from models.columns import DAY
from storage.lake import Lake
from storage.schema import DEFAULT_ACTIONS, EVENTS_TABLE
from storage.sequence_ledger import Built, read_ledger
from storage.sequence_store import BUCKETS_FOLDER, FILE
from storage.staged_files import Staging

FIRST = date(2026, 1, 1)
DAYS = [FIRST + timedelta(days=number) for number in range(3)]
ROWS = 400
GAP = timedelta(minutes=30)
NOW = datetime(2026, 2, 1, tzinfo=UTC)


def test_results_come_in_the_order_of_the_tasks() -> None:
    def slow_first(task: int) -> int:
        time.sleep(0.02 if task == 0 else 0)
        return task * 2

    assert list(LocalEngine(4).map(slow_first, range(6))) == [0, 2, 4, 6, 8, 10]
    assert list(LocalEngine(4).map(slow_first, [])) == []


def test_tasks_run_side_by_side() -> None:
    together = threading.Barrier(2)
    assert list(LocalEngine(2).map(lambda _: together.wait(30) >= 0, range(2))) == [True, True]


@pytest.mark.parametrize("workers", [1, 3])
def test_the_first_failure_ends_all(workers: int) -> None:
    with pytest.raises(ValueError, match="task 1 is bad"):
        list(LocalEngine(workers).map(_fail_at_one, range(3)))


def test_the_local_engine_has_the_processors_of_this_machine() -> None:
    with open_engine("local", "") as engine:
        assert engine.workers == os.cpu_count()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("landing")
    for number, day in enumerate(DAYS):
        start = int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
        events = pl.DataFrame({"n": range(ROWS)}).select(
            user_id=pl.format("u{}", (pl.col("n") * (number + 7)) % 60),
            item_id=pl.format("i{}", pl.col("n") % 23),
            timestamp=start + pl.col("n") * 1000,
            action=pl.when(pl.col("n") % 97 == 0).then(pl.lit("zap")).otherwise(pl.lit("click")),
        )
        events.write_csv(folder / f"{day}.csv")
    return source_in(folder)


def source_in(folder: Path) -> Files:
    """The landing files of `folder`, a day each."""
    items = {"path": str(folder / "none.csv")}
    settings = FilesSettings.model_validate(
        {"kind": "files", "events": {"path": f"{folder}/{{day}}.csv"}, "items": items}
    )
    return Files(settings, FIRST)


def build(lake: Lake, engine: Engine, source: Files) -> None:
    """Events day by day and as a whole, then their sequences."""
    validator = RowValidator(QualitySettings(), "string", None, NOW)
    for days in (DAYS[:2], DAYS[2:]):
        with Staging(lake) as staging:
            files = source.land("events", days)
            staged, _ = stage_events(
                staging, engine, source, files, days, Cleaning(validator, [], None, 600), (date.min, None)
            )
            lake.commit_days(EVENTS_TABLE, staged.files, staged.preview, days)
        with Staging(lake) as staging:
            bring_up_to_date(lake, staging, engine, DEFAULT_ACTIONS, "string", GAP, rows_in_memory=200, buckets=4)


def contents(lake: Lake) -> dict[str, bytes]:
    """The bytes of every bucket, and of the events of every day."""
    root = Path(lake.root.removeprefix("file://"))
    files = sorted(lake.files(EVENTS_TABLE).select(f"partition.{DAY}", "path").iter_rows(), key=str)
    events = {
        f"{day} {path.split('-')[3]}": (root / "tables" / EVENTS_TABLE / path).read_bytes() for day, path in files
    }
    assert len(events) == len(files)
    buckets = {
        str(number): (root / BUCKETS_FOLDER / file).read_bytes() for number, file in enumerate(read_ledger(lake)[FILE])
    }
    return events | buckets


@pytest.fixture(scope="module")
def expected(source: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    lake = Lake(str(tmp_path_factory.mktemp("local")))
    build(lake, LocalEngine(2), source)
    assert lake.scan(EVENTS_TABLE).collect().height == 3 * (ROWS - 5)
    return contents(lake)


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    import ray

    ray.init(address="local", num_cpus=2, log_to_driver=False)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


def test_the_number_of_workers_changes_no_byte(source: Files, expected: dict[str, bytes], tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    build(lake, LocalEngine(1), source)
    assert contents(lake).keys() >= {"0", "1", "2", "3"}
    assert {name: value for name, value in contents(lake).items() if len(name) == 1} == {
        name: value for name, value in expected.items() if len(name) == 1
    }


def test_a_uri_holds_the_bytes_that_a_folder_holds(source: Files, expected: dict[str, bytes], tmp_path: Path) -> None:
    lake = Lake(tmp_path.as_uri())
    build(lake, LocalEngine(2), source)
    assert contents(lake) == expected
    assert lake.sequences().collect().height == 60


@pytest.mark.cluster
@pytest.mark.usefixtures("cluster")
def test_ray_tasks_write_the_bytes_that_threads_write(
    source: Files, expected: dict[str, bytes], tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    build(lake, RayEngine(2), source)
    assert contents(lake) == expected


@pytest.mark.cluster
@pytest.mark.usefixtures("cluster")
def test_a_remote_failure_is_the_error_that_was_raised_there() -> None:
    with pytest.raises(ValueError, match=r"^task 1 is bad$") as failure:
        list(RayEngine(2).map(_fail_at_one, range(3)))
    assert type(failure.value) is ValueError


@pytest.mark.cluster
@pytest.mark.usefixtures("cluster")
def test_a_lost_worker_is_made_good_and_leaves_nothing(
    source: Files, expected: dict[str, bytes], tmp_path: Path
) -> None:
    """Two workers are killed, each when all files of its task are written and nobody was told."""
    lake = Lake(str(tmp_path))
    killer = threading.Thread(target=_kill_workers, args=(tmp_path, 2), daemon=True)
    killer.start()
    build(lake, _Slow(2), source)
    killer.join()
    assert contents(lake) == expected
    named = {Path(path).name for path in lake.files(EVENTS_TABLE)["path"]}
    assert {path.name for path in (tmp_path / "tables" / EVENTS_TABLE).glob("*/*.parquet")} == named
    assert not list(tmp_path.glob("staging/*-*"))
    buckets = {path.name for path in (tmp_path / BUCKETS_FOLDER).iterdir()}
    versions = range(lake.version("sequences") + 1)
    assert buckets == {file for version in versions for file in read_ledger(lake, version)[FILE]}


@pytest.mark.cluster
def test_the_engine_of_a_cluster_is_opened_by_its_address(cluster: str) -> None:
    with open_engine("ray", cluster) as engine:
        assert engine.workers == 2
        assert list(engine.map(_double, [1, 2, 3])) == [2, 4, 6]


class _Slow(RayEngine):
    """Of each kind of task the first to be done waits, when its files are written, to be killed."""

    def map(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> Iterator[Any]:
        slow: dict[Callable[[Any], Any], Callable[[Any], Any]] = {
            stage_days: _stage_and_wait,
            build_buckets: _build_and_wait,
        }
        return super().map(slow[function], tasks)


def _stage_and_wait(task: DaysOfEvents) -> tuple[Staged, Tally]:
    done = stage_days(task)
    _wait_once(Path(task.lake.root) / "pid-of-events")
    return done


def _build_and_wait(task: BucketTask) -> list[Built]:
    done = build_buckets(task)
    _wait_once(Path(task.update.lake.root) / "pid-of-sequences")
    return done


def _wait_once(mark: Path) -> None:
    try:
        with open(mark, "x") as file:
            file.write(str(os.getpid()))
    except FileExistsError:
        return
    time.sleep(300)


def _kill_workers(folder: Path, count: int) -> None:
    killed: set[Path] = set()
    while len(killed) < count:
        for mark in set(folder.glob("pid-of-*")) - killed:
            if mark.read_text():
                os.kill(int(mark.read_text()), signal.SIGKILL)
                killed.add(mark)
        time.sleep(0.01)


def _fail_at_one(task: int) -> int:
    if task == 1:
        raise ValueError("task 1 is bad")
    return task


def _double(task: int) -> int:
    return task * 2
