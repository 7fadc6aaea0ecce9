"""Files of runs that live, end and are killed, in processes of their own."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from models.columns import DAY
from storage.lake import Lake
from storage.sequence_store import BUCKETS_FOLDER, FILE, SEQUENCES_TABLE
from storage.staged_files import Staging
from storage.sweeper import STAGING, sweep

FIRST = date(2026, 1, 1)
ROWS = pl.DataFrame({"x": [1, 2], DAY: [FIRST, FIRST]})
PARTITION = {DAY: FIRST.isoformat()}

RUN = """
import os, sys
from datetime import date
from pathlib import Path
import polars as pl
from storage.lake import Lake
from storage.staged_files import Staging

lake, steps, rows = Lake(sys.argv[1]), sys.argv[2:], pl.DataFrame({"x": [1, 2], "day": [date(2026, 1, 1)] * 2})
with Staging(lake) as staging:
    for step in steps:
        if step == "write":
            file = staging.write("t", rows, {"day": "2026-01-01"})
        if step == "commit":
            lake.commit_days("t", [file], rows, [date(2026, 1, 1)])
        if step == "bucket":
            with lake.output(f"sequences/{staging.name(0, 'arrow')}") as sink:
                sink.write(b"bucket")
        if step == "ledger":
            ledger = pl.DataFrame({"file": [path.name for path in Path(lake.root, "sequences").iterdir()]})
            ledger_run = Staging(lake).__enter__()
            written = ledger_run.write("sequences", ledger, {})
        if step == "commit_ledger":
            lake.commit("sequences", [written], ledger, [], None)
        if step == "scratch":
            (staging.scratch / "run-0.arrow").write_bytes(b"half")
        if step == "draft":
            folder = Path(lake.uri("t"), "_delta_log")
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "00000000000000000007.json#1").write_text('{"add":')
    print("ready", flush=True)
    sys.stdin.read()
"""


class Run:
    """A run in a process of its own that has done its steps and waits: for the end of its input, or to be killed."""

    def __init__(self, folder: Path, *steps: str) -> None:
        command = [sys.executable, "-c", RUN, str(folder), *steps]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def end(self, kill: bool = False) -> None:
        if kill:
            os.kill(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def files(folder: Path) -> set[str]:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return {name for name in found if "_delta_log" not in name or "#" in name} - {f"{STAGING}/door"}


@pytest.fixture
def killed(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    Run(tmp_path, *request.param).end(kill=True)
    assert files(tmp_path)


@pytest.mark.parametrize(
    "killed",
    [["write"], ["write", "scratch"], ["bucket"], ["bucket", "ledger"], ["draft"], ["write", "bucket", "draft"]],
    indirect=True,
)
@pytest.mark.usefixtures("killed")
def test_a_killed_run_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    with Staging(lake):
        pass
    assert files(tmp_path) == set()
    assert sweep(lake) == []


@pytest.mark.parametrize("killed", [["write", "commit", "write", "bucket", "ledger", "commit_ledger"]], indirect=True)
@pytest.mark.usefixtures("killed")
def test_what_a_killed_run_committed_stays(lake: Lake, tmp_path: Path) -> None:
    assert len(sweep(lake)) == 1, "of the four files the one that no commit names"
    assert lake.scan("t").collect().height == 2
    (named,) = lake.scan(SEQUENCES_TABLE).collect()[FILE]
    assert (tmp_path / BUCKETS_FOLDER / named).read_bytes() == b"bucket"
    assert sweep(lake) == []


def test_a_bucket_that_only_an_older_version_names_stays(lake: Lake, tmp_path: Path) -> None:
    Run(tmp_path, "bucket", "ledger", "commit_ledger").end(kill=True)
    lake.overwrite(SEQUENCES_TABLE, pl.DataFrame({FILE: ["another.arrow"]}))
    (named,) = lake.scan(SEQUENCES_TABLE, version=0).collect()[FILE]
    assert (tmp_path / BUCKETS_FOLDER / named).exists()


def test_half_a_ledger_of_another_run_disturbs_nobody(lake: Lake, tmp_path: Path) -> None:
    lake.overwrite(SEQUENCES_TABLE, pl.DataFrame({FILE: ["another.arrow"]}))
    half = tmp_path / "tables" / SEQUENCES_TABLE / "part-00000-another-run.parquet"
    half.write_bytes(b"PAR1")
    with Staging(lake) as staging, lake.output(f"{BUCKETS_FOLDER}/{staging.name(0, 'arrow')}") as sink:
        sink.write(b"never committed")
    assert half.exists()
    assert not list((tmp_path / BUCKETS_FOLDER).iterdir())


def test_a_living_runs_files_are_kept_until_it_dies(lake: Lake, tmp_path: Path) -> None:
    living = Run(tmp_path, "write", "bucket", "scratch", "draft")
    before = files(tmp_path)
    Run(tmp_path, "write").end(kill=True)
    lake.overwrite("other", pl.DataFrame({"x": [1]}))
    assert before <= files(tmp_path)
    assert len(list(tmp_path.glob("tables/t/**/*.parquet"))) == 1, "the killed run's file is gone"
    living.end(kill=True)
    sweep(lake)
    assert {name.split("/")[1] for name in files(tmp_path)} == {"other"}


def test_two_runs_at_once_both_commit(lake: Lake, tmp_path: Path) -> None:
    first, second = (Run(tmp_path, "write", "commit") for _ in range(2))
    first.end()
    second.end()
    assert (first.process.returncode, second.process.returncode) == (0, 0)
    assert lake.scan("t").collect().drop(DAY)["x"].to_list() == [1, 2]
    assert lake.version("t") == 1
    assert not list((tmp_path / STAGING).glob("*.lock"))


def test_a_run_that_fails_takes_its_files_with_it(lake: Lake, tmp_path: Path) -> None:
    def fail() -> None:
        with Staging(lake) as staging:
            lake.commit_days("t", [staging.write("t", ROWS, PARTITION)], ROWS, [FIRST])
            staging.write("t", ROWS, PARTITION)
            (staging.scratch / "run-0.arrow").write_bytes(b"half")
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        fail()
    assert [name.split("/")[0] for name in files(tmp_path)] == ["tables"]
    assert lake.scan("t").collect().height == 2


def test_a_part_of_a_run_writes_under_its_name_and_leaves_the_lock_alone(lake: Lake, tmp_path: Path) -> None:
    with Staging(lake) as staging:
        with Staging(lake, staging.token) as part:
            written = part.write("t", ROWS, PARTITION)
            assert part.scratch.is_dir()
            assert part.scratch.parent == tmp_path / STAGING
        assert staging.token in written.path
        assert sweep(lake) == []
        assert (tmp_path / "tables/t" / written.path).exists()


def test_a_failing_commit_of_a_frame_leaves_no_file(lake: Lake, tmp_path: Path) -> None:
    lake.replace_days("t", ROWS, [FIRST])
    before = files(tmp_path)
    with pytest.raises(ValueError, match=r"columns x, day, .* y, day"):
        lake.replace_days("t", ROWS.rename({"x": "y"}), [FIRST])
    assert files(tmp_path) == before


def test_a_run_killed_between_writing_a_frame_and_its_commit_leaves_no_file(lake: Lake, tmp_path: Path) -> None:
    code = """
import os, signal, sys
import polars as pl
from storage.commit import Commit
from storage.lake import Lake

Commit._actions = lambda self: os.kill(os.getpid(), signal.SIGKILL)
Lake(sys.argv[1]).overwrite("t", pl.DataFrame({"x": [1]}))
"""
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)]).returncode == -signal.SIGKILL
    assert len(files(tmp_path)) == 2
    sweep(lake)
    assert files(tmp_path) == set()


def test_a_file_that_cannot_be_written_is_one_sentence(lake: Lake, tmp_path: Path) -> None:
    blocked = tmp_path / "tables/t" / f"{DAY}={FIRST}"
    blocked.parent.mkdir(parents=True)
    blocked.write_bytes(b"a file where a folder belongs")
    with pytest.raises(OSError, match=r"cannot be written \(.*\): make room or mend the store, then run again"):
        lake.replace_days("t", ROWS, [FIRST])


def test_on_an_object_store_there_are_no_locks_and_scratch_is_local(tmp_path: Path) -> None:
    lake = Lake((tmp_path / "store").as_uri())
    with Staging(lake) as staging:
        staging.write("t", ROWS, PARTITION)
        scratch = staging.scratch
        assert scratch.is_dir()
        assert not scratch.is_relative_to(tmp_path / "store")
    assert not scratch.exists()
    assert not (tmp_path / "store" / STAGING).exists()
