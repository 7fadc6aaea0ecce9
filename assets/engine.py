"""Where independent pieces of data work run: in threads of this process, or as tasks of a Ray cluster.

A piece is a plain function of one picklable argument that writes files and returns a small record of them, so it may
be done again: by Ray when a worker is lost, by the next run when this one is killed.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from assets.ray_cluster import attached

EngineName = Literal["local", "ray"]

Task = TypeVar("Task")
Result = TypeVar("Result")

TASK_RETRIES = 3


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
        pending = [remote.remote(task) for task in tasks]
        try:
            yield from map(ray.get, pending)
        except ray.exceptions.RayTaskError as error:
            # Its own message is the traceback of the remote process; the cause is the error as it was raised there.
            raise error.cause from error
        finally:
            for task in pending:
                ray.cancel(task)


@contextmanager
def open_engine(name: EngineName, address: str) -> Iterator[Engine]:
    """The engine of a profile.

    Args:
        name: local, or ray for the cluster at `address`.
        address: GCS address of the cluster, host:port.
    """
    if name == "local":
        yield LocalEngine(os.cpu_count() or 1)
        return
    with attached(address):
        import ray

        resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
        yield RayEngine(max(1, int(resources.get("CPU", 1))))
