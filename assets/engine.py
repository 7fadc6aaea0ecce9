"""Where independent pieces of data work run: in threads of this process, or as tasks of a Ray cluster.

A piece is a plain function of one picklable argument that writes files and returns a small record of them, so it may
be done again: by Ray when a worker is lost, by the next run when this one is killed.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, Protocol, TypeVar

from assets.ray_cluster import attached
from models.cores import cores

EngineName = Literal["local", "ray"]

Task = TypeVar("Task")
Result = TypeVar("Result")

TASK_RETRIES = 3
IN_FLIGHT = 2
"""Tasks that are handed to the cluster at a time, for each of its workers: one to do, one to follow."""

SECONDS_TO_END = 600


class Engine(Protocol):
    """Runs pieces of work side by side."""

    @property
    def workers(self) -> int: ...

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        """The results of `function` on each of `tasks`, in their order; the first failure ends all."""
        ...


@dataclass(frozen=True)
class LocalEngine:
    """Threads: Polars and the kernels leave Python's lock alone, so they fill the processors."""

    workers: int

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        if min(self.workers, len(tasks)) <= 1:
            yield from map(function, tasks)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            yield from pool.map(function, tasks)


@dataclass(frozen=True)
class RayEngine:
    """Tasks of the cluster that this process is attached to; Ray itself repeats those of a lost worker."""

    workers: int

    def map(self, function: Callable[[Task], Result], tasks: Sequence[Task]) -> Iterator[Result]:
        import ray

        remote = ray.remote(num_cpus=1, max_retries=TASK_RETRIES)(function)
        left, running = iter(tasks), deque[Any]()
        try:
            running.extend(remote.remote(task) for task in islice(left, IN_FLIGHT * self.workers))
            while running:
                result = ray.get(running[0])
                running.popleft()
                running.extend(remote.remote(task) for task in islice(left, 1))
                yield result
        except ray.exceptions.RayTaskError as error:
            # Its own message is the traceback of the remote process; the cause is the error as it was raised there.
            raise error.cause from error
        finally:
            # No task may go on writing for a run that has ended. They are waited for, not cancelled: Ray ends the whole
            # process by a check of its own where a task is cancelled in the moment in which it is done.
            if running:
                ray.wait(list(running), num_returns=len(running), timeout=SECONDS_TO_END)


@contextmanager
def open_engine(name: EngineName, address: str) -> Iterator[Engine]:
    """The engine of a profile.

    Args:
        name: local, or ray for the cluster at `address`.
        address: GCS address of the cluster, host:port.
    """
    if name == "local":
        yield LocalEngine(cores())
        return
    with attached(address):
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield RayEngine(max(1, int(resources.get("CPU", 1))))
