"""Attaching to the Ray cluster that the profile names."""

from collections.abc import Iterator
from contextlib import contextmanager


class ClusterMissing(ConnectionError):
    """No Ray cluster answers at the configured address."""


@contextmanager
def attached(address: str) -> Iterator[None]:
    """This process as a driver of the running cluster at `address` (host:port) for the length of the block.

    The address is always explicit: a bare `ray.init()` starts a private cluster that dies with the process, or joins
    whichever cluster it finds.

    Raises:
        ClusterMissing: nothing answers there.
    """
    import logging

    import ray

    try:
        ray.init(address=address, ignore_reinit_error=True, log_to_driver=False, logging_level=logging.WARNING)
    except (ConnectionError, RuntimeError) as error:
        raise ClusterMissing(f"no Ray cluster answers at '{address}': start one with `genrec up`") from error
    try:
        yield
    finally:
        ray.shutdown()
