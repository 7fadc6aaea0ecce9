"""What stands before Serve's HTTP proxy, in its process: the first that sees a request, the last that sees an answer.

Serve's router collapses where more requests wait in it than replicas take, and the proxy answers some failures itself,
in plain text. Here requests are admitted before they reach the router, and every error leaves as JSON.
"""

import os
import re

from pydantic import Field
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.admission import Admission, AdmissionSettings
from serving.limits import refuse, replay

DOOR_VARIABLE = "GENREC_DOOR"
"""Environment variable with `DoorSettings` as JSON, for the Ray head whose proxy it is."""

REQUEST_ID_HEADER = b"x-request-id"
REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
INTERNAL = (
    b"x-request-timeout-seconds",
    b"x-request-disconnect-disabled",
    b"serve-multiplexed-model-id",
    b"x-session-id",
)
"""Headers by which Serve is told what clients have no say in: deadlines, and which replica answers."""

ATTEMPTS = 2
DIED = "the replica that was asked has died: try again"
LONGEST_DETAIL = 500


class DoorSettings(AdmissionSettings):
    """What Serve's proxy lets in, for all applications together."""

    at_once: int = Field(default=32, ge=1, description="Requests that are sent to replicas at the same time.")
    waiting: int = Field(default=32, ge=0, description="Requests that may wait for that; more are refused at once.")
    longest_wait_s: float = Field(default=0.3, gt=0, description="Seconds after which a waiting request is refused.")
    body_limit_bytes: int = Field(default=2**21, ge=1024, description="Longest request body that is read.")
    body_deadline_s: float = Field(default=5.0, gt=0, description="Seconds that a client has for sending the body.")


def middlewares() -> list[Middleware]:
    """Serve's proxy calls this when it starts: `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=serving.door:middlewares`."""
    return [Middleware(FrontDoor, settings=DoorSettings.model_validate_json(os.environ.get(DOOR_VARIABLE) or "{}"))]


class FrontDoor:
    """ASGI middleware around Serve's proxy: admission, valid headers, errors as JSON.

    Args:
        app: Serve's proxy.
        settings: How many requests are let in.
    """

    def __init__(self, app: ASGIApp, settings: DoorSettings) -> None:
        self.app = app
        self._admission = Admission(Explained(app), settings, settings.body_limit_bytes, settings.body_deadline_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given = [value for name, value in scope["headers"] if name.lower() == REQUEST_ID_HEADER]
        if len(given) > 1 or not all(REQUEST_ID.fullmatch(value.decode("latin-1")) for value in given):
            return await refuse(send, 400, "the header X-Request-ID is one of 1 to 128 letters, digits, dots and -_:")
        kept = [(name, value) for name, value in scope["headers"] if name.lower().replace(b"_", b"-") not in INTERNAL]
        await self._admission({**scope, "headers": kept}, receive, send)


class Explained:
    """ASGI middleware: the proxy's own refusals become JSON, and what a dead replica left unanswered is asked again.

    Requests only read, so that asking twice does no harm.

    Args:
        app: Serve's proxy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = (await receive()).get("body", b"")
        for _ in range(ATTEMPTS):
            attempt = _Attempt(replay(body, receive), send)
            # Serve adds to the scope that it gets.
            await self.app({**scope, "headers": list(scope["headers"])}, attempt.receive, attempt.send)
            if attempt.answered or attempt.left:
                return
        await refuse(send, 503, DIED)


class _Attempt:
    """One try at a request: passes messages on, but holds a refusal in plain text back until it is whole."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive, self._send = receive, send
        self._refusal: Message | None = None
        self._text = b""
        self.answered = False
        self.left = False

    async def receive(self) -> Message:
        message = await self._receive()
        self.left = self.left or message["type"] == "http.disconnect"
        return message

    async def send(self, message: Message) -> None:
        self.answered = True
        if message["type"] == "http.response.start" and _is_plain_refusal(message):
            self._refusal = message
        elif self._refusal is None:
            await self._send(message)
        else:
            self._text += message.get("body", b"")
            if not message.get("more_body", False):
                detail = self._text.decode("utf-8", "replace").strip()[:LONGEST_DETAIL]
                kept = [(name, value) for name, value in self._refusal["headers"] if name.lower() == REQUEST_ID_HEADER]
                await refuse(self._send, self._refusal["status"], detail or "the request failed", kept)


def _is_plain_refusal(start: Message) -> bool:
    media = [value for name, value in start["headers"] if name.lower() == b"content-type"]
    return start["status"] >= 400 and bool(media) and media[0].startswith(b"text/plain")
