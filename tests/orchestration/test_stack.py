"""Head and endpoint of a real profile: started, started again after a kill, and ended in good order."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
import yaml

from assets.versions import releases_of
from orchestration import local_stack
from orchestration.processes import Process
from orchestration.profile import Profile, load_profile
from serving.client import EndpointClient, EndpointError
from serving.ports import free_port
from serving.priority import NICENESS
from serving.settings import EndpointSettings
from storage.lake import Lake
from tests.serving.world import World

pytestmark = pytest.mark.cluster


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    """A profile whose lake holds a champion."""
    lake = Lake(str(tmp_path / "lake"))
    World(tmp_path / "lake").release("v1")
    releases_of(lake).promote("v1", "the first one")
    path = tmp_path / "shop.yaml"
    content = {
        "first_day": "2026-01-01",
        "source": {"kind": "demo_world"},
        "training": {"positive_actions": ["click"]},
        "lake": {"root": lake.root},
        "ray": {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 100},
        "endpoint": {"port": free_port(), "replicas": 1},
    }
    path.write_text(yaml.safe_dump(content))
    yield load_profile(str(path))
    local_stack.down()


def genrec(profile: Profile, *arguments: str) -> "subprocess.Popen[str]":
    command = [str(Path(sys.executable).with_name("genrec")), *arguments, "-p", profile.origin]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)


def answered(profile: Profile) -> str | None:
    """The replica that answers, or None."""
    with EndpointClient(EndpointSettings.model_validate(profile.endpoint).base_url, 2) as client:
        try:
            status = client.status()
        except EndpointError:
            return None
    return status.replica if status.version == "v1" else None


def priorities(head: Process, name: bytes) -> set[int]:
    """The niceness of the cluster's processes of a name."""
    found = [pid for pid in head.session() if name in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return {os.getpriority(os.PRIO_PROCESS, pid) for pid in found}


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.2)


def test_what_dies_is_started_again_and_down_lets_every_request_finish(profile: Profile) -> None:
    watcher = genrec(profile, "up", "--watch")
    wait_for(lambda: answered(profile))
    first = local_stack._recorded()
    assert first

    own = os.getpriority(os.PRIO_PROCESS, 0)
    assert priorities(first.process, b"ServeReplica") == {max(own, NICENESS)}, "requests wait for other work"
    assert priorities(first.process, b"ProxyActor") == {own}, "refusals wait for answers"

    (raylet,) = [pid for pid in first.process.session() if Path(f"/proc/{pid}/exe").resolve().name == "raylet"]
    os.kill(raylet, signal.SIGKILL)
    os.kill(first.process.pid, signal.SIGKILL)
    wait_for(lambda: (now := local_stack._recorded()) and now.process != first.process and answered(profile))
    assert first.process.session() == []
    assert watcher.poll() is None

    again = genrec(profile, "up")
    told, _ = again.communicate()
    assert again.returncode == 0
    assert "Ray head runs already" in told
    assert "endpoint: v1 answers at" in told

    with Traffic(EndpointSettings.model_validate(profile.endpoint).base_url) as traffic:
        wait_for(lambda: traffic.answers > 20)
        stopped, _ = (down := genrec(profile, "down")).communicate()
    assert down.returncode == 0, stopped
    assert "stopped the Ray head" in stopped
    assert traffic.cut_off == []
    told, _ = watcher.communicate(timeout=60)
    assert watcher.returncode == 0, told
    assert "`genrec down` was run, so there is nothing to watch" in told
    assert not local_stack.wanted()
    assert not local_stack.running(profile.ray)


class Traffic:
    """Asks without a pause, each time on a connection of its own, and remembers requests that were begun and cut off.

    A connection that is refused, and an answer that says that there is no such application, are no such thing.
    """

    def __init__(self, url: str) -> None:
        self.answers = 0
        self.cut_off: list[str] = []
        self._url = f"{url}/v1/recommendations"
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(4)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        gone = False
        # Connections are not kept, but the client is: making one reads certificates for longer than an answer takes.
        with httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=20, trust_env=False) as client:
            while not self._stop.is_set() and not gone:
                try:
                    reply = client.post(self._url, json={"user_id": 100, "k": 3})
                    self.answers += reply.status_code == httpx.codes.OK
                    gone = reply.status_code == httpx.codes.NOT_FOUND
                    if reply.status_code not in (httpx.codes.OK, httpx.codes.NOT_FOUND):
                        self.cut_off.append(f"{reply.status_code} {reply.text}")
                except httpx.ConnectError:
                    gone = True
                except httpx.HTTPError as error:
                    self.cut_off.append(repr(error))
