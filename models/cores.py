"""The budget of cores: how many a process of the platform, with all threads of its libraries, uses at once."""

import os
from math import ceil
from pathlib import Path

CORES_VARIABLE = "GENREC_CORES"
CONTROL_GROUP = Path("/sys/fs/cgroup")


def cores() -> int:
    """What the profile says, as `orchestration.environment` passes it on; else `available`."""
    return int(os.environ.get(CORES_VARIABLE) or available())


def available(control_group: Path = CONTROL_GROUP) -> int:
    """The cores that the system lets this process have: those that it may run on, and no more than a container's quota.

    Libraries count the machine's, and in a container that may use two of 64 start 64 threads.

    Args:
        control_group: Folder of the control group whose quota counts.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(control_group)
    return allowed if quota is None else max(1, min(allowed, ceil(quota)))


def _quota(group: Path) -> float | None:
    """Cores a second by version 2 or 1 of control groups; None where there is no limit."""
    try:
        told = (group / "cpu.max").read_text().split()
    except OSError:
        try:
            told = [(group / "cpu" / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period")]
        except OSError:
            return None
    amount, period = told
    return None if amount in ("max", "-1") else int(amount) / int(period)
