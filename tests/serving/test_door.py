"""Before Serve's proxy, over real HTTP: who is let in, who is refused how, and that every error is JSON."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from serving.door import DoorSettings, FrontDoor
from serving.ports import free_port

POST = "/work"


@dataclass
class Behind:
    """Stands for what is behind the door: answers by path, counts, and holds `/work` back until it is let go."""

    asked: list[str] = field(default_factory=list)
    headers: list[dict[bytes, bytes]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    go: threading.Event = field(default_factory=threading.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        self.asked.append(path)
        self.headers.append(dict(scope["headers"]))
        if scope["method"] == "POST":
            self.bodies.append((await receive())["body"])
        if path == "/dies" or (path == "/dies-once" and self.asked.count(path) == 1):
            return
        if path == "/work":
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            while not self.go.is_set():
                await asyncio.sleep(0.005)
            self.at_once -= 1
        status = {"/proxy404": 404, "/proxy503": 503, "/proxy408": 408}.get(path, 200)
        media = b"text/plain; charset=utf-8" if path != "/json404" else b"application/json"
        start: Message = {"type": "http.response.start", "status": status if path != "/json404" else 404}
        await send({**start, "headers": [(b"content-type", media), (b"x-request-id", b"from-serve")]})
        await send({"type": "http.response.body", "body": b"said ", "more_body": True})
        await send({"type": "http.response.body", "body": b"by the proxy"})


@contextmanager
def served(settings: DoorSettings) -> Iterator[tuple[httpx.Client, Behind, int]]:
    behind, port = Behind(), free_port()
    config = uvicorn.Config(FrontDoor(behind, settings), host="127.0.0.1", port=port, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as http:
            yield http, behind, port
    finally:
        behind.go.set()
        server.should_exit = True
        thread.join()


def until(condition: object, what: str = "") -> None:
    deadline = time.monotonic() + 10
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.01)


def test_no_more_than_allowed_are_worked_on_and_the_rest_is_refused_at_once() -> None:
    with (
        served(DoorSettings(at_once=3, waiting=2, longest_wait_s=60)) as (http, behind, _),
        ThreadPoolExecutor(9) as pool,
    ):
        let_in = [pool.submit(http.post, POST, content=b"{}") for _ in range(5)]
        until(lambda: behind.at_once == 3)
        time.sleep(0.1)
        for _ in range(4):
            refused = http.post(POST, content=b"{}")
            assert refused.status_code == 503
            assert refused.headers["retry-after"] == "1"
            assert "too many, try again later" in refused.json()["detail"]
            assert http.get("/healthz").status_code == 200, "what only reads does not queue behind the work"
        behind.go.set()
        assert [answer.result().status_code for answer in let_in] == [200] * 5
        assert behind.most_at_once == 3
        assert http.post(POST, content=b"{}").status_code == 200


def test_who_waits_too_long_is_refused_and_leaves_its_place() -> None:
    with (
        served(DoorSettings(at_once=1, waiting=1, longest_wait_s=0.2)) as (http, behind, _),
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(http.post, POST, content=b"{}")
        until(lambda: behind.at_once == 1)
        for _ in range(3):
            waited = http.post(POST, content=b"{}")
            assert (waited.status_code, waited.headers["retry-after"]) == (503, "1")
            assert "has waited 0.2 s for its turn" in waited.json()["detail"]
        behind.go.set()
        assert first.result().status_code == 200


def half_sent(port: int) -> socket.socket:
    open_socket = socket.create_connection(("127.0.0.1", port))
    open_socket.sendall(b"POST /quick HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{")
    return open_socket


def test_clients_that_send_half_a_body_hold_nobody_up_and_are_told_in_time() -> None:
    with served(DoorSettings(at_once=2, waiting=2, body_deadline_s=0.5)) as (http, behind, port):
        slow = [half_sent(port) for _ in range(40)]
        for _ in range(5):
            assert http.post("/quick", content=b"{}").status_code == 200
        for one in slow:
            one.settimeout(10)
            answer = one.recv(4096)
            assert answer.startswith(b"HTTP/1.1 408"), answer
            assert b"the body did not arrive within 0.5 s" in answer
            one.close()
        assert behind.bodies == [b"{}"] * 5


def test_a_body_that_is_too_long_does_not_get_through() -> None:
    with served(DoorSettings(body_limit_bytes=2000)) as (http, behind, _):
        assert http.post("/quick", content=b"x" * 2000).status_code == 200
        for body in (b"x" * 2001, iter([b"x" * 1500, b"x" * 501])):
            answer = http.post("/quick", content=body)
            assert (answer.status_code, answer.json()["detail"]) == (413, "the body is longer than 2000 bytes")
        assert len(behind.asked) == 1


@pytest.mark.parametrize(("path", "status"), [("/proxy404", 404), ("/proxy408", 408), ("/proxy503", 503)])
def test_what_the_proxy_refuses_in_plain_text_becomes_json(path: str, status: int) -> None:
    with served(DoorSettings()) as (http, _, _):
        answer = http.post(path, content=b"{}")
        assert (answer.status_code, answer.json()) == (status, {"detail": "said by the proxy"})
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-request-id"] == "from-serve"
        assert answer.headers.get("retry-after") == ("1" if status == 503 else None)


def test_other_answers_pass_as_they_are() -> None:
    with served(DoorSettings()) as (http, _, _):
        for path, status in (("/text", 200), ("/json404", 404)):
            answer = http.get(path)
            assert (answer.status_code, answer.text) == (status, "said by the proxy")


def test_what_a_dead_replica_left_unanswered_is_asked_once_more() -> None:
    with served(DoorSettings()) as (http, behind, _):
        assert http.post("/dies-once", content=b"the body").status_code == 200
        assert behind.bodies == [b"the body", b"the body"]
        dead = http.post("/dies", content=b"{}")
        assert (dead.status_code, dead.headers["retry-after"]) == (503, "1")
        assert "has died" in dead.json()["detail"]
        assert behind.asked.count("/dies") == 2


@pytest.mark.parametrize("good", ["a", "A-1_b.2:c", "x" * 128])
def test_a_request_id_of_letters_and_digits_is_handed_on(good: str) -> None:
    with served(DoorSettings()) as (http, behind, _):
        assert http.get("/healthz", headers={"X-Request-ID": good}).status_code == 200
        assert behind.headers[-1][b"x-request-id"] == good.encode()


@pytest.mark.parametrize(
    "bad", [b"", b"x" * 129, b"a b", b"\xff\xfe", b"a\tb", b"${jndi:x}", b"<script>", "ü".encode()]
)
def test_any_other_request_id_is_refused_and_goes_nowhere(bad: bytes) -> None:
    with served(DoorSettings()) as (http, behind, _):
        answer = http.get("/healthz", headers=[(b"X-Request-ID", bad)])
        assert answer.status_code == 400
        assert "X-Request-ID" in answer.json()["detail"]
        assert bad.decode("latin-1") not in answer.headers.values() or not bad
        twice = http.get("/healthz", headers=[(b"X-Request-ID", b"a"), (b"x-request-id", b"b")])
        assert twice.status_code == 400
        assert behind.asked == []


def test_clients_have_no_say_in_deadlines_and_routing() -> None:
    with served(DoorSettings()) as (http, behind, _):
        given = {
            "X-Request-Timeout-Seconds": "0",
            "X-Request-Disconnect-Disabled": "?1",
            "serve_multiplexed_model_id": "m",
            "x-session-id": "s",
            "accept": "*/*",
        }
        assert http.get("/healthz", headers=given).status_code == 200
        names = set(behind.headers[-1])
        assert b"accept" in names
        assert not {name.lower().encode() for name in given} - {b"accept"} & names
