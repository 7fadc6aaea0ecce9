"""Images at web addresses, against servers on this machine that the settings allow by name, or do not."""

import gzip
import http.server
import itertools
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from assets.content.image_rejected import ImageRejected
from assets.content.read_image import read
from assets.content.settings import ImageSettings

BODY = b"an image"


@dataclass
class Web:
    """A server on a free port, and the requests that it got."""

    port: int
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def settings(self, *hosts: str, **more: Any) -> ImageSettings:
        return ImageSettings(download=True, hosts=(f"127.0.0.1:{self.port}", *hosts), **more)


class Handler(http.server.BaseHTTPRequestHandler):
    web: Web

    def do_GET(self) -> None:
        self.web.asked.append((self.path, dict(self.headers)))
        what, _, rest = self.path.lstrip("/").partition("?")
        match what:
            case "image":
                self._answer(200, BODY)
            case "to":
                self._answer(302, b"", Location=rest)
            case "round":
                self._answer(302, b"", Location=self.path)
            case "gzip":
                self._answer(200, gzip.compress(bytes(10**6)), **{"Content-Encoding": "gzip"})
            case "endless":
                self._drip(b"x" * 65536, 0)
            case "slow":
                self._drip(b"x", 0.05)
            case "slow-head":
                self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
                self._forever(b"x", 0.05)
            case _:
                self._answer(404, b"")

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _drip(self, piece: bytes, pause: float) -> None:
        self.send_response(200)
        self.end_headers()
        self._forever(piece, pause)

    def _forever(self, piece: bytes, pause: float) -> None:
        try:
            for _ in itertools.count():
                self.wfile.write(piece)
                threading.Event().wait(pause)
        except OSError:
            self.close_connection = True

    def log_message(self, *_args: object) -> None: ...


def serving() -> Iterator[Web]:
    class Bound(Handler):
        pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bound)
    Bound.web = Web(server.server_port)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield Bound.web
    server.shutdown()
    server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    yield from serving()


@pytest.fixture
def other() -> Iterator[Web]:
    yield from serving()


def reason(source: str, settings: ImageSettings) -> str:
    with pytest.raises(ImageRejected) as rejected:
        read(source, settings)
    return str(rejected.value)


def test_web_addresses_are_fetched_only_if_allowed(web: Web) -> None:
    assert read(web.url("/image"), web.settings()) == BODY
    assert read(web.url("/image").replace("http", "HTTP"), web.settings()) == BODY
    assert reason(web.url("/missing"), web.settings()) == "cannot be fetched"
    assert "download is off" in reason(web.url("/image"), ImageSettings(hosts=(f"127.0.0.1:{web.port}",)))
    assert [path for path, _ in web.asked] == ["/image", "/image", "/missing"]
    assert web.asked[0][1]["Accept-Encoding"] == "identity"


def test_a_host_that_the_profile_does_not_name_is_not_asked(web: Web) -> None:
    assert "port that content.image.hosts does not list" in reason(web.url("/image"), ImageSettings(download=True))
    assert "port that content.image.hosts does not list" in reason(
        web.url("/image"), ImageSettings(download=True, hosts=("127.0.0.1",))
    )
    assert "port that content.image.hosts does not list" in reason(web.url("/image", "localhost"), web.settings())
    assert read(web.url("/image", "LocalHost"), web.settings(f"LOCALHOST:{web.port}")) == BODY
    assert len(web.asked) == 1


@pytest.mark.parametrize(
    "host",
    [
        *("127.0.0.1", "localhost", "0x7f.1", "2130706433", "127.1", "10.0.0.7", "169.254.169.254", "192.168.1.1"),
        *("0.0.0.0", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:a9fe:a9fe]", "[fe80::1]", "[64:ff9b::7f00:1]"),
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_addresses_that_are_not_public_are_refused_however_they_are_written(scheme: str, host: str) -> None:
    assert "not public" in reason(f"{scheme}://{host}/a.png", ImageSettings(download=True))


def test_every_hop_of_a_redirect_is_checked(web: Web, other: Web) -> None:
    settings = web.settings()
    assert read(web.url("/to?/image"), settings) == BODY
    assert read(web.url(f"/to?{other.url('/image')}"), web.settings(f"127.0.0.1:{other.port}")) == BODY
    assert len(other.asked) == 1
    assert "at a port that" in reason(web.url(f"/to?{other.url('/image')}"), settings)
    assert "not public" in reason(web.url("/to?http://169.254.169.254/latest/meta-data"), settings)
    assert "not public" in reason(web.url("/to?//localhost/image"), settings)
    assert "not a web address" in reason(web.url("/to?file:///etc/passwd"), settings)
    assert reason(web.url("/round"), settings) == "more than 5 redirects"
    assert len(other.asked) == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("path", ["/slow", "/slow-head"])
def test_one_deadline_covers_the_whole_read(web: Web, path: str) -> None:
    assert reason(web.url(path), web.settings(timeout_s=0.5)) == "not fetched within 0.5 s"


@pytest.mark.timeout(60)
def test_a_server_that_does_not_answer_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        settings = ImageSettings(download=True, hosts=(host,), timeout_s=0.5)
        for scheme in ("http", "https"):
            assert reason(f"{scheme}://{host}/a.png", settings) == "not fetched within 0.5 s"


def test_bodies_are_bounded_and_never_unpacked(web: Web) -> None:
    assert reason(web.url("/gzip"), web.settings()) == "sent compressed, which was not asked for"
    assert reason(web.url("/endless"), web.settings(max_bytes=10**5)) == "larger than 100000 bytes"


def test_the_address_that_was_checked_is_the_one_that_is_asked(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[object] = []
    real = socket.getaddrinfo

    def counted(host: object, *rest: object, **more: object) -> object:
        looked_up.append(host)
        return real(host, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", counted)
    assert read(web.url("/image", "localhost"), web.settings(f"localhost:{web.port}")) == BODY
    assert looked_up.count("localhost") == 1


@pytest.mark.parametrize(
    "source", ["http://", "http:///a", "http://[::1", "http://a b/", "https://user:pw@:x/", "http://\u2488.example"]
)
def test_addresses_that_are_none_are_a_reason(source: str) -> None:
    assert reason(source, ImageSettings(download=True, timeout_s=1))
