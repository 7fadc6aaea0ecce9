"""The priority of replicas: the proxy comes before them, because under load it must find the time to refuse."""

import os

NICENESS = 5
"""Below the proxy's, above that of training on the same machine (`assets.ray_cluster`)."""


def yield_to_proxy() -> None:
    """Lowers the priority of all threads of this process, and so of those that they will start."""
    for thread in map(int, os.listdir("/proc/self/task")):
        try:
            os.setpriority(os.PRIO_PROCESS, thread, max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread)))
        except ProcessLookupError:
            continue  # It has ended.
