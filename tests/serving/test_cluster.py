"""The endpoint on a real Ray cluster, behind Serve's HTTP proxy."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import polars as pl
import pytest

from serving.client import EndpointClient, EndpointError
from serving.cluster import ServeCluster
from serving.deploy import DeployError, Superseded, deploy, withdraw
from serving.loaded import load_release
from serving.ports import free_port
from serving.schema import HistoryItem, RecommendationRequest, SimilarRequest
from serving.settings import EndpointSettings, ReleaseConfig
from tests.serving.parity import check_parity
from tests.serving.world import World

pytestmark = pytest.mark.cluster

ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "1",
    "OMP_NUM_THREADS": "1",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serving.door:middlewares",
}


@pytest.fixture
def dashboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The dashboard of a Ray head of its own."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    # Ray's sockets lie below it, and a socket's path has at most 107 bytes: pytest's own folders are too deep.
    temp = Path(tempfile.mkdtemp(prefix="ray-", dir="/tmp"))
    port = free_port()
    with open(temp / "head.log", "wb") as log:
        head = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "ray.scripts.scripts",
                *("start", "--head", "--block", "--num-cpus=4", "--disable-usage-stats"),
                *("--node-ip-address=127.0.0.1", f"--port={free_port()}", "--dashboard-host=127.0.0.1"),
                *(f"--dashboard-port={port}", "--dashboard-agent-listen-port=0"),
                *(f"--ray-client-server-port={free_port()}", "--object-store-memory=200000000"),
                f"--temp-dir={temp / 'r'}",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        wait_for_nodes(f"http://127.0.0.1:{port}", head, temp / "head.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        stop(head)
        shutil.rmtree(temp, ignore_errors=True)


def wait_for_nodes(url: str, head: "subprocess.Popen[bytes]", log: Path) -> None:
    for _ in range(300):
        assert head.poll() is None, log.read_text()
        try:
            answer = httpx.get(f"{url}/nodes?view=summary", trust_env=False).json()
            if any(node["raylet"].get("state") == "ALIVE" for node in answer["data"]["summary"]):
                return
        except (httpx.HTTPError, ValueError, KeyError):
            pass
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def stop(head: "subprocess.Popen[bytes]") -> None:
    """Ends the head and, by their session, the processes that it started."""
    head.terminate()
    try:
        head.wait(20)
    except subprocess.TimeoutExpired:
        head.kill()
        head.wait()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and session_of(int(entry.name)) == head.pid:
            os.kill(int(entry.name), signal.SIGKILL)


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except ProcessLookupError:
        return None


@dataclass
class Traffic:
    """Clients that ask without a pause and remember what they were told."""

    url: str
    versions: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
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

    def seen(self, version: str) -> bool:
        """Waits until an answer came from `version`."""
        deadline = time.monotonic() + 30
        while version not in self.versions and time.monotonic() < deadline:
            time.sleep(0.05)
        return version in self.versions

    def _ask(self) -> None:
        with EndpointClient(self.url) as client:
            while not self._stop.is_set():
                try:
                    answer = client.recommend(RecommendationRequest(user_id=100, k=3))
                    self.versions.append(answer.version)
                except EndpointError as error:
                    self.failures.append(str(error))


def test_a_release_is_replaced_in_place_and_a_broken_one_is_not_served(dashboard: str, world: World) -> None:
    settings = EndpointSettings(port=free_port(), replicas=1, deploy_timeout_s=120)
    a, b = world.release("a", seed=1), world.release("b", seed=2)
    with socket.socket() as other:
        other.bind(("127.0.0.1", settings.port))
        other.listen()
        with pytest.raises(DeployError, match=rf"port {settings.port} .* is taken by another program"):
            deploy(settings, a, dashboard)
    first = deploy(settings, a, dashboard)
    assert (first.version, first.release, first.last_error) == ("a", a.fingerprint, None)

    with Traffic(settings.base_url) as traffic:
        assert traffic.seen("a")
        second = deploy(settings, b, dashboard)
        assert traffic.seen("b")
        broken = b.model_copy(update={"version": "c", "artifact": world.root / "missing"})
        with pytest.raises(DeployError, match=r"version c was not loaded, b keeps serving: .*missing"):
            deploy(settings, broken, dashboard)
        served_before = len(traffic.versions)
        again = deploy(settings, b, dashboard)
    assert traffic.failures == []
    assert set(traffic.versions) == {"a", "b"}
    assert set(traffic.versions[served_before:]) <= {"b"}
    assert (second.version, second.replica) == ("b", first.replica), "the same replica loaded the new release"
    assert (again.version, again.replica, again.desired_version) == ("b", first.replica, "b")
    wrong_port = settings.model_copy(update={"port": free_port()})
    with pytest.raises(DeployError, match=f"listens on 127.0.0.1:{settings.port} already"):
        deploy(wrong_port, b, dashboard)
    check_interface(settings)
    check_parity(settings.base_url, b, world)
    check_simple_models(settings, world, dashboard)
    check_new_items(settings, b, world, dashboard)
    deploy(settings, b, dashboard)
    check_ownership(settings, b, dashboard)
    check_two_profiles_at_once(settings, b, dashboard)
    check_that_a_newer_deployment_does_not_wait(settings, b, a, dashboard)
    check_that_of_two_replicas_one_may_die(settings, a, dashboard)
    check_that_withdrawing_ends_our_own_alone(settings, a, dashboard)


def check_simple_models(settings: EndpointSettings, world: World, dashboard: str) -> None:
    """Each is served by the same endpoint, in the place of the model before it."""
    for family in ("popularity", "item_knn", "ials"):
        release = world.simple(f"simple {family}", family)
        assert deploy(settings, release, dashboard).version == release.version
        with EndpointClient(settings.base_url) as client:
            answer = client.recommend(RecommendationRequest(user_id=100, k=4))
            assert (answer.version, len(answer.items)) == (release.version, 4)
            if family == "popularity":
                with pytest.raises(EndpointError, match="cannot tell which items are alike"):
                    client.similar(SimilarRequest(item_id=1, k=2))
            else:
                assert {item.item_id for item in client.similar(SimilarRequest(item_id=2, k=2)).items} == {1, 3}


def check_new_items(settings: EndpointSettings, release: ReleaseConfig, world: World, dashboard: str) -> None:
    """The catalogue lists one that came after training: the replica that runs takes it in, and answers with it."""
    replica = deploy(settings, release, dashboard).replica
    like_one = load_release(release).artifact
    new = world.new_items(release.version, {99: {name: of[1] for name, of in like_one.vectors.items()}})
    row = world.catalogue(int).head(1).with_columns(item_id=pl.lit(99, pl.Int64), title=pl.lit("Came later"))
    items = world.table("items", pl.concat([world.catalogue(int), row]))
    with Traffic(settings.base_url) as traffic:
        status = deploy(settings, release.model_copy(update={"items": items, "new_items": new}), dashboard)
        assert traffic.seen(release.version)
    assert traffic.failures == []
    assert (status.replica, status.new_items, status.items) == (replica, 1, world.items + 1)
    with EndpointClient(settings.base_url) as client:
        answer = client.recommend(RecommendationRequest(history=[HistoryItem(item_id=1)], k=20))
        assert ("Came later", 99) in {(item.title, item.item_id) for item in answer.items}
        assert client.similar(SimilarRequest(item_id=99, k=1)).items[0].item_id == 1
        read = client.recommend(RecommendationRequest(history=[HistoryItem(item_id=99)], k=20))
        assert (read.source, read.history_length) == ("model", 1)


def of_another(release: ReleaseConfig, profile: str) -> ReleaseConfig:
    return release.model_copy(update={"profile": profile})


def check_ownership(settings: EndpointSettings, ours: ReleaseConfig, dashboard: str) -> None:
    ours, theirs = of_another(ours, "ours"), of_another(ours, "theirs")
    assert deploy(settings, ours, dashboard).profile == "ours"
    with pytest.raises(DeployError, match=r"is that of profile ours .*, not of profile theirs .*: set endpoint\.app_n"):
        deploy(settings, theirs, dashboard)
    elsewhere = settings.model_copy(update={"app_name": "theirs"})
    with pytest.raises(DeployError, match=r"the path / .* of profile ours .*: set endpoint\.route_prefix"):
        deploy(elsewhere, theirs, dashboard)
    with EndpointClient(settings.base_url) as client:
        assert (client.status().profile, client.status().version) == ("ours", "b")


def check_two_profiles_at_once(settings: EndpointSettings, release: ReleaseConfig, dashboard: str) -> None:
    names = ["second", "third"]
    beside = [settings.model_copy(update={"app_name": name, "route_prefix": f"/{name}"}) for name in names]
    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(lambda s: deploy(s, of_another(release, s.app_name), dashboard), beside))
    assert [status.profile for status in done] == names
    for one, name in zip(beside, names, strict=True):
        with EndpointClient(one.base_url) as client:
            assert client.status().profile == name
    assert withdraw(beside[0], of_another(release, "second").owner, dashboard) == ["genrec", "third"]
    assert withdraw(beside[1], of_another(release, "third").owner, dashboard) == ["genrec"]


def check_that_a_newer_deployment_does_not_wait(
    settings: EndpointSettings, served: ReleaseConfig, newer: ReleaseConfig, dashboard: str
) -> None:
    """One that would wait for long, because no replica can serve it in this shape, gives way to the next."""
    served, newer = of_another(served, "ours"), of_another(newer, "ours")
    never = settings.model_copy(update={"replicas": 9})
    with ThreadPoolExecutor(1) as pool:
        older = pool.submit(deploy, never, served, dashboard)
        time.sleep(3)
        assert not older.done()
        assert deploy(settings, lambda: newer, dashboard).version == "a"
        with pytest.raises(Superseded, match=r"version b was superseded .* told the cluster to serve version a"):
            older.result(timeout=20)
    with EndpointClient(settings.base_url) as client:
        assert client.status().version == "a"


def check_that_of_two_replicas_one_may_die(settings: EndpointSettings, release: ReleaseConfig, dashboard: str) -> None:
    """Killed or stopped amid its requests: the other answers them."""
    two = settings.model_copy(update={"replicas": 2})
    release = of_another(release, "ours")
    deploy(two, release, dashboard)
    replicas = ServeCluster(dashboard).details()["applications"]["genrec"]["deployments"]["Endpoint"]["replicas"]
    pids = [replica["pid"] for replica in replicas if replica["state"] == "RUNNING"]
    assert len(pids) == 2
    with Traffic(settings.base_url) as traffic:
        assert traffic.seen("a")
        os.kill(pids[0], signal.SIGKILL)
        answered = len(traffic.versions)
        deadline = time.monotonic() + 30
        while len(traffic.versions) < answered + 200 and time.monotonic() < deadline:
            time.sleep(0.1)
    assert len(traffic.versions) >= answered + 200
    assert traffic.failures == []
    deploy(two, release, dashboard)


def check_that_withdrawing_ends_our_own_alone(
    settings: EndpointSettings, release: ReleaseConfig, dashboard: str
) -> None:
    """What was asked before is answered, what is asked after is refused in words; nobody's connection is cut."""
    assert withdraw(settings, of_another(release, "theirs").owner, dashboard) == ["genrec"]
    with Traffic(settings.base_url) as traffic:
        assert traffic.seen("a")
        assert traffic.failures == []
        assert withdraw(settings, of_another(release, "ours").owner, dashboard) == []
    refused = {failure.partition("was refused with ")[2][:3] for failure in traffic.failures}
    assert refused <= {"404", "503"}, traffic.failures[:3]


def check_interface(settings: EndpointSettings) -> None:
    """What only the real proxy shows: chunked bodies, documentation, errors that pass through it."""
    with EndpointClient(settings.base_url) as client:
        assert client.similar(SimilarRequest(item_id=3, k=2)).version == "b"
        with pytest.raises(EndpointError, match="404: item 999 is not known") as caught:
            client.similar(SimilarRequest(item_id=999))
        assert caught.value.status_code == 404
    with httpx.Client(base_url=settings.base_url, trust_env=False) as http:
        assert http.get("/healthz").json() == {"status": "ok"}
        assert http.get("/docs").status_code == 200
        chunks = (b" " * 8192 for _ in range(300))
        headers = {"content-type": "application/json"}
        answer = http.post("/v1/recommendations", content=chunks, headers=headers)
        assert answer.status_code == 413
        assert "2097152 bytes" in answer.json()["detail"]
        refused = http.get("/healthz", headers={"x-request-id": "not an id"})
        assert (refused.status_code, "X-Request-ID" in refused.json()["detail"]) == (400, True)
        assert http.get("/healthz", headers={"x-request-id": "an-id"}).headers["x-request-id"] == "an-id"
        missing = http.get("/nothing/here")
        assert missing.status_code == 404
        assert missing.json()["detail"].startswith("GET /nothing/here: Not Found")
    slow = [half_sent(settings.port) for _ in range(48)]
    with EndpointClient(settings.base_url, timeout_s=3) as client:
        assert client.recommend(RecommendationRequest(user_id=100, k=3)).source == "model"
    for one in slow:
        one.close()


def half_sent(port: int) -> socket.socket:
    """A client that declares a body and sends its first byte."""
    opened = socket.create_connection(("127.0.0.1", port))
    head = (
        "POST /v1/recommendations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
    )
    opened.sendall(head.encode())
    return opened
