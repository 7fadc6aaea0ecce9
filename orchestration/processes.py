"""Processes that outlive the command which started them, and how to stop those and no others (Linux, /proc).

A process is named by its id, its start time and the boot it belongs to: an id alone may be another process's by now.
Everything that a session leader starts stays in its session unless it asks for one of its own, whatever becomes of the
leader, so the session is what is stopped.
"""

import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

POLL_SECONDS = 0.05
LEFTOVER_GRACE_SECONDS = 2
KILL_SECONDS = 10
LISTENS = "0A"
LONGEST_COMMAND = 120


@dataclass(frozen=True)
class Process:
    """One process of one boot.

    Args:
        pid: Its id.
        started: Clock ticks from boot to its start.
        boot: Id of that boot.
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def current(cls) -> "Process":
        return cls(os.getpid(), _Stat.of(os.getpid()).started, _boot())

    def alive(self) -> bool:
        """Whether this very process runs; a process that took over its id does not count, nor does a zombie."""
        stat = _Stat.of(self.pid)
        return self.boot == _boot() and stat.running and stat.started == self.started

    def session(self) -> list[int]:
        """The running processes of the session that this process leads or led; empty if its id is another process's."""
        leader = _Stat.of(self.pid)
        reused = leader.started not in (0, self.started)
        if self.boot != _boot() or reused:
            return []
        return [s.pid for s in _all() if s.session == self.pid and s.running and s.started >= self.started]

    def stop_session(self, grace: float) -> None:
        """Ends the whole session: the leader first, which knows best how to end its children, then what it left.

        Args:
            grace: Seconds that the leader gets to end in good order.

        Raises:
            RuntimeError: a process survives SIGKILL.
        """
        if self.alive():
            _signal([self.pid], signal.SIGTERM)
            _wait_while(self.alive, grace)
        _signal(self.session(), signal.SIGTERM)
        if not _wait_while(self.session, LEFTOVER_GRACE_SECONDS):
            _signal(self.session(), signal.SIGKILL)
            if not _wait_while(self.session, KILL_SECONDS):
                raise RuntimeError(
                    f"processes {self.session()} do not end even after SIGKILL: see `ps` for their state"
                )


def listener(port: int) -> str:
    """The process that listens on a TCP port of this machine, by id and command; another user's cannot be seen."""
    inodes = set(_listening_sockets(port))
    for process in _all():
        try:
            if inodes & {os.readlink(entry) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}:
                command = Path(f"/proc/{process.pid}/cmdline").read_bytes().decode(errors="replace")
                return f"process {process.pid} ({' '.join(command.split(chr(0))).strip()[:LONGEST_COMMAND]})"
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return "another user's process"


def _listening_sockets(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENS and int(local.rpartition(":")[2], 16) == port:
                yield f"socket:[{inode}]"


@dataclass(frozen=True)
class _Stat:
    """What /proc/<pid>/stat says (man 5 proc); all zero for a process that does not exist."""

    pid: int
    state: str = ""
    session: int = 0
    started: int = 0

    @classmethod
    def of(cls, pid: int) -> "_Stat":
        try:
            text = Path(f"/proc/{pid}/stat").read_text()
        except (FileNotFoundError, ProcessLookupError):
            return cls(pid)
        # The command stands in parentheses and may hold spaces and parentheses itself.
        fields = text.rpartition(")")[2].split()
        return cls(pid, state=fields[0], session=int(fields[3]), started=int(fields[19]))

    @property
    def running(self) -> bool:
        return self.state not in ("", "Z", "X")


def _all() -> Iterator[_Stat]:
    return (_Stat.of(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _wait_while(condition: Callable[[], object], seconds: float) -> bool:
    """Waits until `condition` no longer holds; False if it still does after `seconds`."""
    end = time.monotonic() + seconds
    while condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True
