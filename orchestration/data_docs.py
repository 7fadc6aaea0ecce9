"""Data Docs over HTTP, for browsers on this machine: from a page of the UI they follow no link to a file."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.ports import LOOPBACK

HEADERS = {
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}
START_SECONDS = 30


class Pages(StaticFiles):
    """The pages of a folder and nothing else in it: only reading, no other files, no way out."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        full, found = self.lookup_path(path)
        if found and Path(full).is_file() and not full.endswith(".html"):
            raise HTTPException(404)
        return await super().get_response(path, scope)


class Careful:
    """Adds HEADERS to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        await self._app(scope, receive, with_headers)


def site(folder: Path, url: str) -> Starlette:
    """The application that serves `folder`.

    Args:
        folder: Holds a folder of pages for each asset.
        url: Where readers reach it; pages asked for under any other host are refused, so that no foreign page reads
            them through a name of its own.
    """
    hosts = ["127.0.0.1", "localhost", urlsplit(url).hostname or LOOPBACK]
    return Starlette(
        routes=[Mount("/", Pages(directory=folder, html=True))],
        middleware=[Middleware(Careful), Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
    )


@contextmanager
def served(folder: Path, port: int, url: str) -> Iterator[None]:
    """Serves `folder` on a port of loopback while the block runs.

    Raises:
        RuntimeError: it does not come up.
    """
    config = uvicorn.Config(site(folder, url), host=LOOPBACK, port=port, log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    end = time.monotonic() + START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > end:
            raise RuntimeError(f"Data Docs cannot be served on port {port}: set ui.data_docs_port in the profile")
        time.sleep(0.05)
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=5)
