"""Admission: how many requests are worked on at a time, how many may wait, and for how long.

Without it, everything that comes is taken in, and under more load than there is capacity every answer comes too late
for the client that wanted it. With it, what is taken in is answered in time, and the rest is refused at once.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pydantic import Field
from starlette.types import ASGIApp, Receive, Scope, Send

from models.strict import Strict
from serving.limits import WholeBody, refuse

READING = ("GET", "HEAD")


class AdmissionSettings(Strict):
    """Limits on the requests that are let in."""

    at_once: int = Field(default=16, ge=1, description="Requests that are worked on at the same time.")
    waiting: int = Field(
        default=64, ge=0, description="Requests that may wait for their turn; more are refused at once."
    )
    longest_wait_s: float = Field(
        default=1.0,
        gt=0,
        description="Seconds after which a waiting request is refused, as nobody may want it by then.",
    )


class Refused(RuntimeError):
    """A request is not let in; the message says why."""


class Gate:
    """Lets requests in one after the other, in the order in which they came. For one event loop.

    Attributes:
        refused: How many were not let in so far.
    """

    def __init__(self, settings: AdmissionSettings) -> None:
        self.settings = settings
        self.refused = 0
        self._turns = asyncio.Semaphore(settings.at_once)
        self._waiting = 0

    def require_room(self) -> None:
        """Raises Refused where a request that came now would find no place to wait."""
        if self._turns.locked() and self._waiting >= self.settings.waiting:
            self.refused += 1
            raise Refused(
                f"{self.settings.at_once} requests are being answered and {self.settings.waiting} wait: too many, try "
                "again later"
            )

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Waits for a turn and holds it.

        Raises:
            Refused: too many wait already, or this one has waited too long.
        """
        self.require_room()
        self._waiting += 1
        try:
            async with asyncio.timeout(self.settings.longest_wait_s):
                await self._turns.acquire()
        except TimeoutError:
            self.refused += 1
            raise Refused(
                f"the request has waited {self.settings.longest_wait_s:g} s for its turn: too many, try again later"
            ) from None
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()


class Admission:
    """ASGI middleware: 503 for a request that finds no turn in time.

    A request holds neither turn nor place while its body arrives, so clients that send slowly keep nobody else waiting.
    What only reads (health, status, documentation) has a gate of its own and does not queue behind the work.

    Args:
        app: The application behind it.
        settings: How many requests are let in.
        body_limit_bytes: See `WholeBody`.
        body_deadline_s: See `WholeBody`.
    """

    def __init__(
        self, app: ASGIApp, settings: AdmissionSettings, body_limit_bytes: int, body_deadline_s: float
    ) -> None:
        self.app = app
        self._work, self._look = Gate(settings), Gate(settings)
        self._whole = WholeBody(self._in_turn, body_limit_bytes, body_deadline_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        try:
            self._gate(scope).require_room()
        except Refused as refusal:
            return await refuse(send, 503, str(refusal))
        await self._whole(scope, receive, send)

    async def _in_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._gate(scope).turn():
                await self.app(scope, receive, send)
        except Refused as refusal:
            await refuse(send, 503, str(refusal))

    def _gate(self, scope: Scope) -> Gate:
        return self._look if scope["method"] in READING else self._work
