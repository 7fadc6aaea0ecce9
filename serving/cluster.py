"""Serve's REST interface on a Ray dashboard, and whose turn it is to change what runs there."""

import fcntl
import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from storage.places import private_folder

LOCK_S = 60.0
POLL_S = 0.1


class DeployError(RuntimeError):
    """A release is not being served; the message says why and what is served instead."""


class ServeCluster:
    """What Serve runs on one cluster.

    Args:
        dashboard: URL of the Ray dashboard, http://host:port.

    Raises:
        DeployError: nothing answers there, here and in every method.
    """

    def __init__(self, dashboard: str) -> None:
        from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

        self.dashboard = dashboard
        self._serve = self._asked(ServeSubmissionClient, dashboard)

    def details(self) -> dict[str, Any]:
        """Serve's own account of what it runs (`ServeInstanceDetails`)."""
        return self._asked(self._serve.get_serve_details)

    def put(self, config: dict[str, Any]) -> None:
        """Replaces all of Serve's configuration; applications that it leaves out are ended."""
        self._asked(self._serve.deploy_applications, config)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """A block in which nobody else on this machine changes the cluster's configuration.

        To change it is to read all of it and to put all of it: of two who do so at once, one would be lost.
        """
        with open(_lock_path(self.dashboard), "w") as lock:
            deadline = time.monotonic() + LOCK_S
            while not _taken(lock.fileno()):
                if time.monotonic() > deadline:
                    raise DeployError(
                        f"another command has been changing what {self.dashboard} serves for {LOCK_S:.0f} s: end it, "
                        "or wait and try again"
                    )
                time.sleep(POLL_S)
            yield

    def _asked(self, call: Callable[..., Any], *arguments: object) -> Any:
        try:
            return call(*arguments)
        except Exception as error:  # RuntimeError, ConnectionError, ValueError and those of requests
            raise DeployError(f"the Ray dashboard at {self.dashboard} did not take the request: {error}") from error


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _lock_path(dashboard: str) -> Path:
    """One file per cluster, the same whatever home a command has, in a folder that nobody else can write to."""
    folder = private_folder("serve")
    return folder / f"{hashlib.sha256(dashboard.rstrip('/').encode()).hexdigest()[:16]}.lock"
