"""Running a command that may not use more memory than it is given, whatever it asks for."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from uuid import uuid4

MIB = 2**20
GROUPS = (
    (Path("/sys/fs/cgroup"), "memory.max"),
    (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
)
"""Where control groups limit memory: version 2, and version 1."""


def run_limited(command: Sequence[str], mib: int, environment: dict[str, str] | None = None) -> tuple[str, str]:
    """The command's output, and what held it: a control group, or the data segment's limit where none may be made.

    Raises:
        RuntimeError: the command failed, as it does where the limit is too small.
    """
    with _limit(mib) as (enter, kind):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, preexec_fn=enter)
    if done.returncode:
        killed = " (killed for its memory)" if done.returncode == -9 else ""
        raise RuntimeError(
            f"{command[1:3]} failed within {mib} MiB by {kind}{killed}: {done.stderr.strip()[-800:] or done.returncode}"
        )
    return done.stdout, kind


@contextmanager
def _limit(mib: int) -> Iterator[tuple[Callable[[], None], str]]:
    """What a child calls to come under the limit, and its name."""
    for root, setting in GROUPS:
        group = root / f"genrec-{uuid4().hex[:8]}"
        if not (root / "cgroup.procs").exists():
            continue
        try:
            group.mkdir()
            (group / setting).write_text(str(mib * MIB))
        except OSError:
            continue
        try:
            yield partial(_join, group), "control group"
        finally:
            group.rmdir()
        return
    yield partial(resource.setrlimit, resource.RLIMIT_DATA, (mib * MIB, mib * MIB)), "RLIMIT_DATA"


def _join(group: Path) -> None:
    (group / "cgroup.procs").write_text(str(os.getpid()))
