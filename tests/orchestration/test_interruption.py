"""SIGINT and SIGTERM end a command at any moment, on a line of two synthetic assets and a real Dagster instance."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from orchestration import interruption
from orchestration.error_messages import errors_as_sentences
from storage.places import plain

LINE = """
import atexit, os, signal, sys, time
atexit.register(os.abort)
from orchestration.error_messages import errors_as_sentences

def at(moment):
    if os.environ["TEST_MOMENT"] == moment:
        work(os.environ.get("TEST_LIBRARY"))

def work(library):
    if library == "has a handler":
        signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
    try:
        open(os.environ["TEST_REACHED"], "w").close()
        time.sleep(60)
    except BaseException:
        if library == "goes on":
            work(library)
        elif library == "turns it into its own":
            raise ValueError("callback failed") from None
        elif library != "swallows":
            raise

with errors_as_sentences(float(os.environ.get("TEST_PATIENCE", 60))):
    at("import")
    import dagster as dg
    from orchestration import environment
    from orchestration.profile import load_profile

    profile = load_profile(sys.argv[1])
    environment.apply(profile)
    from assets.partitions import partitions
    import orchestration.definitions as definitions
    from orchestration import runs, turns

    one_run = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=partitions, backfill_policy=one_run)
    def days(context):
        at("stage")
        return dg.MaterializeResult()

    @dg.asset(deps=[days], backfill_policy=one_run)
    def total():
        open(os.environ["TEST_REACHED"] + "-next", "w").close()
        return dg.MaterializeResult()

    definitions.defs = lambda: dg.Definitions(
        [days, total],
        jobs=[dg.define_asset_job("line", dg.AssetSelection.all())],
        executor=turns.executor(environment.run_lock(profile)),
    )
    runs.materialize(profile)
    at("after")
"""


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    (tmp_path / "line.py").write_text(LINE)
    (tmp_path / "shop.yaml").write_text(
        "{first_day: 2026-01-01, last_day: 2026-01-03, source: {kind: demo_world}, "
        "training: {positive_actions: [click]}}"
    )
    begun = []

    def start(**variables: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-W", "ignore", str(tmp_path / "line.py"), str(tmp_path / "shop.yaml")]
        told = {"TEST_MOMENT": "stage", "TEST_REACHED": str(tmp_path / "reached"), **variables}
        # As a shell without job control starts what stands in the background.
        with ignored(signal.SIGINT):
            begun.append(
                subprocess.Popen(
                    command,
                    env={**os.environ, **told},
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            )
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    before = signal.signal(number, signal.SIG_IGN)
    yield
    signal.signal(number, before)


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("number", "moment", "library", "told"),
    [
        (signal.SIGINT, "import", "", "genrec: ended by SIGINT"),
        (signal.SIGTERM, "import", "turns it into its own", "genrec: ended by SIGTERM: callback failed"),
        (signal.SIGINT, "stage", "", "genrec: ended by SIGINT: stage days was interrupted"),
        (signal.SIGINT, "stage", "swallows", "genrec: ended by SIGINT: stage total was interrupted"),
        (signal.SIGTERM, "stage", "turns it into its own", "genrec: ended by SIGTERM: stage days was interrupted"),
        (signal.SIGTERM, "stage", "has a handler", "genrec: ended by SIGTERM: stage days was interrupted"),
        (signal.SIGTERM, "after", "swallows", "genrec: ended by SIGTERM"),
    ],
)
def test_a_signal_ends_a_command_in_one_sentence_and_nothing_begins_after_it(
    number: signal.Signals,
    moment: str,
    library: str,
    told: str,
    tmp_path: Path,
    home: Path,
    started: Callable[..., "subprocess.Popen[str]"],
) -> None:
    process = started(TEST_MOMENT=moment, TEST_LIBRARY=library)
    wait_for((tmp_path / "reached").exists)
    process.send_signal(number)
    shown, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number, errors
    assert errors.splitlines()[-1].split(" (what")[0] == told
    assert len(errors.splitlines()) == 1
    assert "total" not in shown or moment == "after"
    assert (tmp_path / "reached-next").exists() == (moment == "after")
    if moment == "stage":
        with dg.DagsterInstance.from_config(str(plain(home / "shop" / "dagster"))) as instance:
            assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


@pytest.mark.parametrize("number", interruption.ENDING)
def test_what_does_not_end_by_itself_is_ended(
    number: signal.Signals, tmp_path: Path, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    process = started(TEST_LIBRARY="goes on", TEST_PATIENCE="1")
    wait_for((tmp_path / "reached").exists)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert errors == f"genrec: ended by {number.name}, at once: what was at work did not end within 1 s\n"


def test_a_command_that_waits_for_its_turn_ends_too(
    tmp_path: Path, home: Path, started: Callable[..., "subprocess.Popen[str]"]
) -> None:
    (home / "shop").mkdir(parents=True)
    with open(home / "shop" / "run.lock", "a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        process = started()
        assert process.stdout
        assert "waits for" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert errors.startswith("genrec: ended by SIGTERM: the run ")
    assert not (tmp_path / "reached").exists()


def test_a_signal_is_known_whoever_took_it_and_forgotten_with_its_command() -> None:
    before = signal.getsignal(signal.SIGINT)
    taken: list[int] = []
    with interruption.ended_by_signals(patience=None):
        assert interruption.received() is None
        signal.signal(signal.SIGALRM, lambda number, _: taken.append(number))
        signal.signal(signal.SIGINT, lambda number, _: taken.append(number))
        signal.raise_signal(signal.SIGALRM)
        signal.raise_signal(signal.SIGINT)
        assert interruption.received() == interruption.received() == signal.SIGINT
    assert taken == [signal.SIGALRM, signal.SIGINT]
    assert interruption.received() is None
    assert signal.getsignal(signal.SIGINT) == before


def test_the_end_of_a_forked_child_is_not_ours() -> None:
    with interruption.ended_by_signals(patience=None):
        child = os.fork()
        if not child:
            try:
                signal.raise_signal(signal.SIGTERM)
            finally:
                os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        assert interruption.received() is None


def test_an_interrupt_that_no_signal_raised_is_no_traceback() -> None:
    with pytest.raises(SystemExit) as ended, errors_as_sentences():
        raise KeyboardInterrupt
    assert ended.value.code == 130


@pytest.mark.parametrize("number", interruption.ENDING)
def test_a_signal_counts_from_the_first_moment_of_a_command(number: signal.Signals, home: Path) -> None:
    with ignored(signal.SIGINT):
        process = subprocess.Popen(
            [sys.executable, "-m", "orchestration.command", "materialize"], stderr=subprocess.PIPE, text=True
        )
    try:
        wait_for(lambda: all(catches(process.pid, each) for each in interruption.ENDING))
        # It is about to import what it needs, which takes ten times as long.
        time.sleep(0.05)
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    # Python may tell of an interrupt that an import swallowed, before that.
    assert (process.returncode, errors.splitlines()[-1]) == (128 + number, f"genrec: ended by {number.name}")
    assert not home.exists()


SWALLOWED = """
import os, signal, time
from orchestration.error_messages import errors_as_sentences

with errors_as_sentences(patience=None):
    try:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
    except KeyboardInterrupt:
        pass
    with errors_as_sentences():
        print("began")
"""


def test_no_command_begins_after_a_signal_that_an_import_swallowed() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "genrec: ended by SIGINT\n")


def catches(pid: int, number: signal.Signals) -> bool:
    """Whether the process has a handler for the signal."""
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return bool(int(lines["SigCgt"], 16) >> (number - 1) & 1)
