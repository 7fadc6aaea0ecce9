"""Attaching to the Ray cluster that the profile names."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Thread
from typing import TypeVar

Result = TypeVar("Result")

NICENESS = 15
SECONDS_TO_END = 10
POLL_SECONDS = 0.2

PRIVATE_OBJECT_STORE = 512 << 20
"""Bytes of shared memory of a private cluster."""


class ClusterMissing(ConnectionError):
    """No Ray cluster answers at the configured address."""


@contextmanager
def attached(address: str) -> Iterator[None]:
    """This process as a driver of the running cluster at `address` (host:port) for the length of the block.

    The address is always explicit: a bare `ray.init()` starts a private cluster that dies with the process, or joins
    whichever cluster it finds. What workers print is printed here too, so it stands with the run's own output.

    Raises:
        ClusterMissing: nothing answers there.
    """
    import logging

    import ray

    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=True, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError) as error:
        raise ClusterMissing(f"no Ray cluster answers at '{address}': start one with `genrec up`") from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def private(cpus: int) -> Iterator[None]:
    """This process as the driver of a cluster of its own, which ends with the block, or with the process.

    Args:
        cpus: That it may hand out.
    """
    import logging

    import ray

    ray.init(
        address="local",
        num_cpus=cpus,
        include_dashboard=False,
        object_store_memory=PRIVATE_OBJECT_STORE,
        log_to_driver=True,
        logging_level=logging.WARNING,
    )
    try:
        yield
    finally:
        ray.shutdown()


def yield_to_requests() -> None:
    """Lowers the priority of this thread, and of those it starts, below that of an endpoint on the same machine."""
    os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))


def interruptible(work: Callable[[], Result]) -> Result:
    """What `work` returns; if this process is interrupted meanwhile, its workers end at once and the interrupt goes on.

    Ray's trainers put a handler of their own in the place of the one for interrupts, which ends the process as if all
    were well. In another thread they cannot; and to leave the cluster ends whatever this process began there.
    """
    import ray

    future: Future[Result] = Future()

    def do() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    # A daemon: an interrupted process must not wait for it for ever, whatever it waits for itself.
    thread = Thread(target=do, daemon=True)
    thread.start()
    try:
        # A signal that another thread was given is seen when this one wakes, so it must not sleep until the end.
        while not future.done():
            wait([future], timeout=POLL_SECONDS)
        return future.result()
    except BaseException:
        if not future.done():
            ray.shutdown()
            thread.join(SECONDS_TO_END)
        raise
