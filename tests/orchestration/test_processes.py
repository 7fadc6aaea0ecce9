"""A session is stopped whole, and nobody else's process ever is."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.processes import Process

LEADER = """
import subprocess, sys, time
from orchestration.processes import Process
stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", stubborn], stdout=subprocess.PIPE).stdout.readline()
apart = "import os, time; os.setpgid(0, 0); print(flush=True); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", apart], stdout=subprocess.PIPE).stdout.readline()
print(Process.current(), flush=True)
time.sleep(600)
"""


def eventually(condition: Callable[[], bool]) -> bool:
    for _ in range(200):
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture
def leader() -> Iterator[Process]:
    """A session of three: the leader, a child that ignores SIGTERM, a child in a process group of its own."""
    child = subprocess.Popen([sys.executable, "-c", LEADER], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert child.stdout
    found: Process = eval(child.stdout.readline(), {"Process": Process})
    assert len(found.session()) == 3
    yield found
    for pid in found.session():
        os.kill(pid, signal.SIGKILL)
    child.wait()


def test_this_process_is_alive_and_another_start_or_boot_of_its_id_is_not() -> None:
    me = Process.current()
    assert me.alive()
    assert not replace(me, started=me.started - 1).alive()
    assert not replace(me, boot="another").alive()
    assert replace(me, boot="another").session() == []


def test_a_session_is_stopped_with_its_stubborn_members(leader: Process) -> None:
    leader.stop_session(grace=5)
    assert leader.session() == []


def test_children_of_a_killed_leader_are_found_and_stopped(leader: Process) -> None:
    os.kill(leader.pid, signal.SIGKILL)
    assert eventually(lambda: not leader.alive())
    assert len(leader.session()) == 2
    leader.stop_session(grace=0)
    assert leader.session() == []


def test_a_process_that_took_over_the_id_is_left_alone(leader: Process) -> None:
    stale = replace(leader, started=leader.started - 1)
    stale.stop_session(grace=0)
    assert leader.alive()
    assert len(leader.session()) == 3


def test_a_zombie_is_not_alive() -> None:
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    try:
        assert eventually(lambda: _fields(child.pid)[0] == "Z")
        assert not replace(Process.current(), pid=child.pid, started=int(_fields(child.pid)[19])).alive()
    finally:
        child.wait()


def _fields(pid: int) -> list[str]:
    """/proc/<pid>/stat from the state on (field 3 of man 5 proc is the first here)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
