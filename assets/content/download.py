"""Fetches an image from a web address: public hosts only, unless the profile names them, and within one deadline."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from assets.content.addresses import is_public
from assets.content.image_rejected import ImageRejected
from assets.content.settings import ImageSettings
from assets.content.time_limit import within

if TYPE_CHECKING:
    import httpcore
    import httpx

PORTS = (80, 443)
REDIRECTS = 5
REDIRECT_STATUS = (301, 302, 303, 307, 308)


def download(address: str, settings: ImageSettings) -> bytes:
    """The body at `address`, at most one byte more than `settings.max_bytes`.

    Connecting, redirects and the body together take at most `settings.timeout_s`. Proxies of the environment are not
    asked: they would look up the host again.

    Raises:
        ImageRejected: downloads are off, the host may not be asked, or it does not answer with a plain body in time.
    """
    import httpx

    if not settings.download:
        raise ImageRejected("at a web address, and content.image.download is off")
    end = time.monotonic() + settings.timeout_s
    try:
        url = httpx.URL(address)
        for _ in range(REDIRECTS + 1):
            found = _get(url, settings, end)
            if isinstance(found, bytes):
                return found
            url = url.join(found)
    except ImageRejected:
        raise
    except Exception as error:  # addresses, clients and sockets raise many kinds
        late = time.monotonic() >= end
        raise ImageRejected(f"not fetched within {settings.timeout_s:g} s" if late else "cannot be fetched") from error
    raise ImageRejected(f"more than {REDIRECTS} redirects")


def _get(url: httpx.URL, settings: ImageSettings, end: float) -> bytes | str:
    """The body at `url`, or where it redirects to."""
    import httpcore

    if url.scheme not in ("http", "https"):
        raise ImageRejected("redirected to something that is not a web address")
    target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
    headers: dict[bytes | str, bytes | str] = {
        "Host": url.netloc,
        "Accept": "image/*",
        "Accept-Encoding": "identity",
        "User-Agent": "genrec",
    }
    with (
        httpcore.ConnectionPool(_certificates(), network_backend=_guarded(settings, end)) as pool,
        pool.stream("GET", target, headers=headers) as answer,
    ):
        fields = {name.lower(): value for name, value in answer.headers}
        if answer.status in REDIRECT_STATUS and b"location" in fields:
            return fields[b"location"].decode("ascii")
        if answer.status != 200:
            raise ImageRejected("cannot be fetched")
        if fields.get(b"content-encoding", b"identity").lower() != b"identity":
            raise ImageRejected("sent compressed, which was not asked for")
        content = bytearray()
        for chunk in answer.iter_stream():
            content += chunk
            if len(content) > settings.max_bytes:
                break
        return bytes(content[: settings.max_bytes + 1])


@cache
def _certificates() -> ssl.SSLContext:
    import httpcore

    return httpcore.default_ssl_context()


def _allowed_addresses(host: str, port: int, settings: ImageSettings, end: float) -> list[str]:
    """The addresses of `host`, all of which may be asked.

    Raises:
        ImageRejected: the port or one of the addresses is not for everyone, and the profile does not name the host.
    """
    named = f"[{host}]" if ":" in host else host
    listed = {name.lower() for name in settings.hosts}
    if f"{named}:{port}" not in listed and port not in PORTS:
        raise ImageRejected("at a port that content.image.hosts does not list")
    found = within(_left(end), socket.getaddrinfo, host, port, socket.AF_UNSPEC, socket.SOCK_STREAM)
    addresses = [str(info[4][0]) for info in found]
    if not ({named, f"{named}:{port}"} & listed) and not all(map(is_public, addresses)):
        raise ImageRejected("not public, and not one of content.image.hosts")
    return list(dict.fromkeys(addresses))


def _left(end: float) -> float:
    """Seconds until `end`.

    Raises:
        TimeoutError: there are none.
    """
    left = end - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _guarded(settings: ImageSettings, end: float) -> httpcore.NetworkBackend:
    """Connects to the very addresses that were checked, and cuts every wait at `end`."""
    import httpcore

    plain = httpcore.SyncBackend()

    class Stream(httpcore.NetworkStream):
        def __init__(self, inner: httpcore.NetworkStream) -> None:
            self._inner = inner

        def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
            return self._inner.read(max_bytes, _left(end))

        def write(self, buffer: bytes, timeout: float | None = None) -> None:
            self._inner.write(buffer, _left(end))

        def close(self) -> None:
            self._inner.close()

        def start_tls(
            self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
        ) -> httpcore.NetworkStream:
            return Stream(self._inner.start_tls(ssl_context, server_hostname, _left(end)))

        def get_extra_info(self, info: str) -> Any:
            return self._inner.get_extra_info(info)

    class Backend(httpcore.NetworkBackend):
        def connect_tcp(
            self,
            host: str,
            port: int,
            timeout: float | None = None,
            local_address: str | None = None,
            socket_options: Iterable[Any] | None = None,
        ) -> httpcore.NetworkStream:
            *others, last = _allowed_addresses(host, port, settings, end)
            for address in others:
                try:
                    return Stream(plain.connect_tcp(address, port, _left(end), local_address, socket_options))
                except (httpcore.ConnectError, httpcore.ConnectTimeout):
                    continue
            return Stream(plain.connect_tcp(last, port, _left(end), local_address, socket_options))

    return Backend()
