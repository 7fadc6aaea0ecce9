"""Refuses bodies that are too long or not JSON before they are parsed."""

import json

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class BodyLimit:
    """ASGI middleware: 413 for a longer body, declared or chunked; 415 for a POST of another media type than JSON.

    Args:
        app: The application behind it.
        limit: Longest body in bytes.
    """

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self.app(scope, receive, send)
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        media = headers.get("content-type", "").partition(";")[0].strip().lower()
        if media != "application/json":
            return await refuse(send, 415, f"send JSON with the header content-type: application/json, not {media!r}")
        declared = headers.get("content-length", "")
        too_long = f"the body is longer than {self.limit} bytes"
        if declared.isdigit() and int(declared) > self.limit:
            return await refuse(send, 413, too_long)
        body = await self._read(receive)
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


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` once and then whatever comes after it."""
    pending = [body]

    async def receive_again() -> Message:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return await receive()

    return receive_again


async def refuse(send: Send, status: int, detail: str) -> None:
    """Answers with a JSON body that says why."""
    body = json.dumps({"detail": detail}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
