"""The Ray head of this machine: started once, alive after the command that started it, stopped without leftovers."""

import fcntl
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from orchestration.environment import HOME_VARIABLE, OPENMP_THREADS, child_environment, home, ray_folder, ray_token_path
from orchestration.interpreter import interpreter
from orchestration.processes import POLL_SECONDS, Process
from orchestration.profile import Profile, RaySettings
from serving.ports import LOOPBACK, free_port, is_free
from storage.places import PLAIN

START_SECONDS = 90
GRACE_SECONDS = 15
# A unix socket's path has at most 107 bytes, and Ray puts 63 behind its temporary folder.
LONGEST_TEMP_ROOT = 25


class StackError(RuntimeError):
    """The local Ray head cannot be started; the message says why and what to do."""


@dataclass(frozen=True)
class Head:
    """A head that was started from this home, whether it still runs or not; `temp` is the folder that holds Ray's."""

    process: Process
    temp: str
    command: list[str]

    def runs_with(self, ray: RaySettings) -> bool:
        return self.ports == {"port": ray.port, "dashboard_port": ray.dashboard_port}

    @property
    def ports(self) -> dict[str, int]:
        """As a profile names them."""
        named = dict(argument.removeprefix("--").split("=", 1) for argument in self.command if "=" in argument)
        return {"port": int(named["port"]), "dashboard_port": int(named["dashboard-port"])}


def up(profile: Profile) -> bool:
    """Makes sure that the local Ray head runs and answers; returns whether it had to be started.

    Raises:
        StackError: a port is taken, another profile's head has other ports, or the head does not come up.
    """
    with _alone():
        head = _recorded()
        if head and head.process.alive():
            if not head.runs_with(profile.ray):
                raise StackError(
                    f"the Ray head of {ray_folder()} runs with other ports than profile {profile.name} asks for: "
                    "run `genrec down` first"
                )
            if _answers_within(START_SECONDS, profile.ray, head.process):
                return False
        if head:
            _remove(head)
        _require_free(profile.ray)
        _start(profile)
        return True


def down() -> bool:
    """Stops the head and everything it started; returns whether anything was left to stop."""
    with _alone():
        head = _recorded()
        if not head:
            return False
        ran = bool(head.process.session())
        _remove(head)
        return ran


def wanted() -> bool:
    """Whether a head should run: it was started from this home, and nobody has stopped it since."""
    with _alone():
        return _recorded() is not None


def running(ray: RaySettings) -> bool:
    """Whether the head that was started from this home is alive and answers."""
    head = _recorded()
    return bool(head and head.process.alive() and head.runs_with(ray) and _answers(ray))


def ports_for_new_profile(usual: RaySettings) -> dict[str, int]:
    """The ports that a new profile has to name: those of this home's head where it runs with others than the `usual`
    ones, and free ones in place of those that are taken."""
    head = _recorded()
    if head and head.process.alive():
        return {} if head.runs_with(usual) else head.ports
    return {key: free_port() for key in ("port", "dashboard_port") if not is_free(getattr(usual, key))}


def dashboard_request(method: str, path: str, ray: RaySettings, timeout: float = 5) -> httpx.Response:
    """One request to the cluster's dashboard, with the token of this home."""
    headers = {"Authorization": f"Bearer {ray_token_path().read_text()}"}
    return httpx.request(method, ray.dashboard_url + path, headers=headers, timeout=timeout, trust_env=False)


def _start(profile: Profile) -> None:
    ray, folder = profile.ray, ray_folder()
    log = folder / "head.log"
    # Ray opens its own folder to everybody, so that another user could put a socket in place of one: nobody gets there.
    temp = tempfile.mkdtemp(prefix="genrec-", dir=_temp_root())
    command = [interpreter(), "-m", "ray.scripts.scripts", *_start_arguments(ray, f"{temp}/r")]
    with open(log, "wb") as output:
        child = subprocess.Popen(
            [interpreter(), "-m", "orchestration.ray_head", str(_record()), temp, *command],
            env=_environment(profile),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _link_logs(folder, temp)
    if _answers_within(START_SECONDS, ray, child):
        return
    if head := _recorded():
        _remove(head)
    raise StackError(f"the Ray head did not start within {START_SECONDS} s; {log} ends with: {_tail(log)}")


def _environment(profile: Profile) -> dict[str, str]:
    """Without a number of threads: Ray gives each worker and replica as many as the CPUs that it asked for."""
    return {name: value for name, value in child_environment(profile).items() if name != OPENMP_THREADS}


def _start_arguments(ray: RaySettings, temp: str) -> list[str]:
    """Loopback throughout; what Ray would take a fixed default port for gets a free one, so two heads do not meet."""
    return [
        "start",
        "--head",
        "--block",
        "--node-ip-address=127.0.0.1",
        f"--port={ray.port}",
        "--dashboard-host=127.0.0.1",
        f"--dashboard-port={ray.dashboard_port}",
        "--dashboard-agent-listen-port=0",
        f"--ray-client-server-port={free_port()}",
        f"--num-cpus={ray.num_cpus}",
        f"--object-store-memory={ray.object_store_mb * 2**20}",
        f"--temp-dir={temp}",
        "--disable-usage-stats",
        "--log-style=record",
        "--log-color=false",
    ]


def _remove(head: Head) -> None:
    head.process.stop_session(GRACE_SECONDS)
    shutil.rmtree(head.temp, ignore_errors=True)
    (ray_folder() / "logs").unlink(missing_ok=True)
    _record().unlink(missing_ok=True)


def _answers_within(seconds: float, ray: RaySettings, process: "Process | subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + seconds
    while not _answers(ray):
        alive = process.poll() is None if isinstance(process, subprocess.Popen) else process.alive()
        if not alive or time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _answers(ray: RaySettings) -> bool:
    """Whether the dashboard lists a living node: by then GCS and raylet are there too."""
    try:
        reply = dashboard_request("GET", "/nodes?view=summary", ray)
    except httpx.HTTPError:
        return False
    if reply.status_code != httpx.codes.OK:
        return False
    nodes = reply.json()["data"]["summary"]
    return any(node.get("raylet", {}).get("state") == "ALIVE" for node in nodes)


def _require_free(ray: RaySettings) -> None:
    for key, port in (("ray.port", ray.port), ("ray.dashboard_port", ray.dashboard_port)):
        if not is_free(port):
            raise StackError(
                f"port {port} of {LOOPBACK} is taken by another program, perhaps a Ray head whose state is not in "
                f"{home()}: set {HOME_VARIABLE} to its folder, end that program, or set {key} in the profile"
            )


def _temp_root() -> str:
    root = tempfile.gettempdir()
    return root if len(root) <= LONGEST_TEMP_ROOT and PLAIN.fullmatch(root) else "/tmp"


def _link_logs(folder: Path, temp: str) -> None:
    link = folder / "logs"
    link.unlink(missing_ok=True)
    link.symlink_to(Path(temp) / "r" / "session_latest" / "logs")


def _record() -> Path:
    return ray_folder() / "head.json"


def _recorded() -> Head | None:
    try:
        record = json.loads(_record().read_text())
    except FileNotFoundError:
        return None
    return Head(Process(**record["process"]), record["temp"], record["command"])


def _tail(log: Path, lines: int = 5) -> str:
    return " | ".join(line.strip() for line in log.read_text(errors="replace").splitlines()[-lines:]) or "(nothing)"


@contextmanager
def _alone() -> Iterator[None]:
    """Lets one command at a time start or stop the head; a killed command lets go by itself."""
    with open(ray_folder() / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
