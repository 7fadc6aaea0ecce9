"""Clients that ask an endpoint again and again and remember when, and what failed."""

import threading
import time
from collections.abc import Sequence

from serving.client import EndpointClient, EndpointError
from serving.schema import RecommendationRequest

CLIENTS = 4

Span = tuple[float, float]
"""Begin and end, seconds since the epoch."""


class Clients:
    """Clients that ask from the beginning of the `with` block to its end, or to `stop`.

    Args:
        url: The endpoint.
        count: How many.
        pause: Seconds between an answer and the next request.
    """

    def __init__(self, url: str, count: int = CLIENTS, pause: float = 0.0) -> None:
        self._url = url
        self._count = count
        self._pause = pause
        self._sent: list[float] = []
        self._failed: list[float] = []
        self.failures: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]

    def __enter__(self) -> "Clients":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def sent_within(self, spans: Sequence[Span]) -> int:
        """Requests sent within any of the spans, which do not overlap."""
        return _within(self._sent, spans)

    def failed_within(self, spans: Sequence[Span]) -> int:
        """Requests sent within any of the spans that were answered with an error, or not at all."""
        return _within(self._failed, spans)

    def _ask(self, number: int) -> None:
        user = number
        with EndpointClient(self._url) as client:
            while not self._stop.wait(self._pause):
                user, began = user + self._count, time.time()
                try:
                    client.recommend(RecommendationRequest(user_id=user % 100 + 1, k=5))
                except EndpointError as error:
                    self._failed.append(began)
                    self.failures.append(str(error))
                self._sent.append(began)


def _within(moments: Sequence[float], spans: Sequence[Span]) -> int:
    return sum(begin <= moment <= end for moment in list(moments) for begin, end in spans)
