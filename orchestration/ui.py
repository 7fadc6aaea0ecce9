"""Dagster's UI and its daemon, which starts queued runs and keeps the schedules, as the two children of one command.

Data Docs are served beside them, because browsers follow no link from a page to a file.
"""

import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence

from orchestration import data_docs
from orchestration.environment import UI_HOSTS_VARIABLE, child_environment
from orchestration.interpreter import interpreter
from orchestration.processes import listener
from orchestration.profile import Profile
from orchestration.resources import storage_of
from orchestration.workspace import workspace_arguments
from serving.ports import LOOPBACK, is_free

POLL_SECONDS = 0.5
STOP_SECONDS = 30
# At Dagster's usual level the daemon says every few seconds that it has looked at the queue.
LEVEL = "warning"
# Every minute the daemon reloads the definitions, and what held the old ones ends with a warning.
DAEMON_LEVELS = ("--log-level", LEVEL, "--code-server-log-level", "error")


def serve(profile: Profile, port: int, names: Sequence[str] = (), report: Callable[[str], None] = print) -> None:
    """Serves the UI on this machine until the command is interrupted.

    Args:
        profile: The profile, already applied to the environment.
        port: Port of the web server.
        names: Names by which browsers call it, in addition to those of this machine: those of a proxy in front.
        report: Told where both are, once they answer.

    Raises:
        RuntimeError: a port is taken, or one of the two has ended by itself.
    """
    _require_free(port, "give another `--port`, or set ui.port in the profile")
    _require_free(profile.data_docs_port, "or set ui.data_docs_port in the profile")
    environment = child_environment(profile) | {UI_HOSTS_VARIABLE: ",".join(names)}
    where = ("-h", LOOPBACK, "-p", str(port), "--dagster-log-level", LEVEL)
    children = {
        "web server": [interpreter(), "-m", "orchestration.webserver", *workspace_arguments(), *where],
        "daemon": [interpreter(), "-m", "dagster._daemon", "run", *workspace_arguments(), *DAEMON_LEVELS],
    }
    storage = storage_of(profile)
    with data_docs.served(storage.data_docs().folder, profile.data_docs_port, storage.data_docs_url):
        running = {name: subprocess.Popen(command, env=environment) for name, command in children.items()}
        served = False
        try:
            while not (ended := [name for name, child in running.items() if child.poll() is not None]):
                if not served and _answers(port):
                    report(f"Dagster's UI: http://{LOOPBACK}:{port}, Data Docs: {storage.data_docs_url}")
                    served = True
                time.sleep(POLL_SECONDS)
        finally:
            _stop(list(running.values()))
    raise RuntimeError(f"Dagster's {ended[0]} has ended by itself: what it said stands above")


def _require_free(port: int, cure: str) -> None:
    if not is_free(port):
        raise RuntimeError(f"port {port} of {LOOPBACK} is taken by {listener(port)}: end it, {cure}")


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) == 0


def _stop(children: Sequence["subprocess.Popen[bytes]"]) -> None:
    """Ends them in good order, which also ends the code servers that they have started."""
    for child in children:
        child.send_signal(signal.SIGINT)
    for child in children:
        try:
            child.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
