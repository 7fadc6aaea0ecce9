"""Waits no longer than allowed for what cannot be broken off: lookups of host names, clients of object stores."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

Result = TypeVar("Result")

WAITED_FOR = ThreadPoolExecutor(16, "image-reading")
"""Whoever gives up leaves the work to these threads, where it ends in its own time."""


def within(seconds: float, work: Callable[..., Result], *given: Any) -> Result:
    """What `work` gives.

    Raises:
        TimeoutError: it did not end within `seconds`.
    """
    return WAITED_FOR.submit(work, *given).result(timeout=seconds)
