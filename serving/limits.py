"""Refuses requests whose body is too long, too slow or not JSON before anything is made of them."""

import asyncio
import json
from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

RETRY_AFTER_S = 1


class WholeBody:
    """ASGI middleware that hands a request on once all of its body is there: 413 if that is too long, 408 if too slow.

    Args:
        app: The application behind it.
        limit: Longest body in bytes, declared or chunked.
        deadline_s: Seconds that a client has for sending it.
    """

    def __init__(self, app: ASGIApp, limit: int, deadline_s: float) -> None:
        self.app = app
        self.limit = limit
        self.deadline_s = deadline_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD"):
            return await self.app(scope, receive, send)
        declared = header(scope, "content-length")
        too_long = f"the body is longer than {self.limit} bytes"
        if declared.isdigit() and int(declared) > self.limit:
            return await refuse(send, 413, too_long)
        try:
            async with asyncio.timeout(self.deadline_s):
                body = await self._read(receive)
        except TimeoutError:
            return await refuse(send, 408, f"the body did not arrive within {self.deadline_s:g} s: send it at once")
        if body is None:
            return await refuse(send, 413, too_long)
        await self.app(scope, replay(body, receive), send)

    async def _read(self, receive: Receive) -> bytes | None:
        """The whole body, or None as soon as it is too long."""
        body = bytearray()
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.limit:
                return None
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return bytes(body)


class JsonOnly:
    """ASGI middleware: 415 for a POST of another media type than JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            media = header(scope, "content-type").partition(";")[0].strip().lower()
            if media != "application/json":
                detail = f"send JSON with the header content-type: application/json, not {media!r}"
                return await refuse(send, 415, detail)
        await self.app(scope, receive, send)


def header(scope: Scope, name: str) -> str:
    """The last value of a header in any case, empty where there is none."""
    values = [value for key, value in scope["headers"] if key.lower() == name.encode()]
    return values[-1].decode("latin-1") if values else ""


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once and then whatever comes after it."""
    pending = [body]

    async def receive_again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return receive_again


async def refuse(send: Send, status: int, detail: str, extra: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Answers with a JSON body that says why, and when to try again where that may help; `extra` are more headers."""
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), *extra]
    if status in (429, 503):
        headers.append((b"retry-after", str(RETRY_AFTER_S).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
