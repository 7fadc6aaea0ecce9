"""One chunk of users living through the days: what they are shown, what they click, how their mood moves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from assets.sources.demo_world.catalogue import Items, catalogue, item_count
from assets.sources.demo_world.policy import (
    SHOWN,
    SURFACE_SHARES,
    click_logits,
    expected_clicks,
    propose,
    shelves,
    sigmoid,
)
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.streams import Stream, stream
from assets.sources.demo_world.tastes import LIFE, after_clicks, interest, overnight, reborn, tastes, transitions

SLOTS = SHOWN[1] + 4
"""Items drawn per request; the spare ones replace repeats and what the user has clicked before."""

MOST_REQUESTS = 48
"""Requests of one user on one day at most."""


@dataclass(frozen=True)
class Impressions:
    """R rows in the order of requests and positions; all arrays have shape (R,).

    Args:
        user: Position within the chunk.
        item: Position in the catalogue.
        request: The user's n-th request of the day, from 0.
        requests: Number of the user's requests on the day.
        position: Place within the request, from 0.
        surface: Index into `policy.SURFACES`.
        clicked: bool.
        logit: Logit of the click.
    """

    user: np.ndarray
    item: np.ndarray
    request: np.ndarray
    requests: np.ndarray
    position: np.ndarray
    surface: np.ndarray
    clicked: np.ndarray
    logit: np.ndarray


class Audience:
    """The users of one chunk at the start of a day.

    A day is reached by living through the at most 27 days before it: on one of them every user started over.
    """

    def __init__(self, settings: DemoWorldSettings, chunk: int, day: int, last_day: int) -> None:
        """Users at the start of `day`, able to go on until `last_day`."""
        self.settings, self.chunk = settings, chunk
        self.day = max(0, day - LIFE + 1)
        self.everything: Items = catalogue(settings, last_day)
        self.tastes = tastes(settings, chunk)
        self.pull = transitions(settings.seed)
        self.mood = self.tastes.topics
        self.clicked = np.zeros((len(self.mood), len(self.everything)), dtype=bool)
        self._restart()
        while self.day < day:
            self.browse()

    def browse(self) -> Impressions:
        """Lives through the day: returns its impressions and moves on to the start of the next day."""
        items = self._available()
        day_shelves = shelves(items, self.day)
        draw = stream(self.settings.seed, Stream.REQUESTS, self.chunk, self.day)
        requests = np.minimum(draw.poisson(self.tastes.requests), MOST_REQUESTS)
        rounds = []
        for number in range(requests.max(initial=0)):
            user = np.flatnonzero(requests > number)
            surface = draw.choice(len(SURFACE_SHARES), size=len(user), p=SURFACE_SHARES)
            wants, styles = interest(self.tastes, self.mood)[user], self.tastes.styles[user]
            item = propose(day_shelves, surface, wants, styles, draw.random((len(user), SLOTS, 2)))
            shown = self._shown(user, item, draw.integers(SHOWN[0], SHOWN[1] + 1, size=len(user)))
            rows = np.arange(len(user))[:, None]
            logit = click_logits(wants[rows, items.topic[item]], styles[rows, items.style[item]], items.quality[item])
            clicked = shown & (draw.random(item.shape) < sigmoid(logit))
            self._remember(user, item, clicked, items)
            place, slot = np.nonzero(shown)
            position = (np.cumsum(shown, axis=1) - 1)[place, slot]
            rounds.append(
                Impressions(
                    user=user[place],
                    item=item[place, slot],
                    request=np.full(len(place), number),
                    requests=requests[user[place]],
                    position=position,
                    surface=surface[place],
                    clicked=clicked[place, slot],
                    logit=logit[place, slot],
                )
            )
        self._sleep()
        return _joined(rounds)

    def expected(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), I) float32: expected clicks of the users `rows` on each item available today."""
        items = self._available()
        wants = interest(self.tastes, self.mood)[rows]
        rate = expected_clicks(shelves(items, self.day), items, wants, self.tastes.styles[rows])
        rate *= self.tastes.requests[rows, None]
        return np.where(self.clicked[rows, : len(items)], 0, rate).astype(np.float32)

    def click_chances(self, rows: np.ndarray) -> np.ndarray:
        """(len(rows), I) float32: how likely the users `rows` click each item available today, if it is shown."""
        items = self._available()
        wants = interest(self.tastes, self.mood)[rows]
        logits = click_logits(wants[:, items.topic], self.tastes.styles[rows][:, items.style], items.quality)
        return sigmoid(logits).astype(np.float32)

    def _available(self) -> Items:
        count = item_count(self.settings, self.day)
        every = self.everything
        return Items(every.topic[:count], every.style[:count], every.quality[:count], every.born[:count])

    def _shown(self, user: np.ndarray, item: np.ndarray, count: np.ndarray) -> np.ndarray:
        """(A, M) bool: the first `count` slots of each request that hold neither a repeat nor a clicked item."""
        same = item[:, :, None] == item[:, None, :]
        repeat = np.tril(same, k=-1).any(axis=2)
        good = ~repeat & ~self.clicked[user[:, None], item]
        return good & (np.cumsum(good, axis=1) <= count[:, None])

    def _remember(self, user: np.ndarray, item: np.ndarray, clicked: np.ndarray, items: Items) -> None:
        place, slot = np.nonzero(clicked)
        self.clicked[user[place], item[place, slot]] = True
        self.mood[user] = after_clicks(self.mood[user], items.topic[item], clicked, self.pull)

    def _sleep(self) -> None:
        self.day += 1
        self.mood = overnight(self.settings, self.chunk, self.day, self.tastes, self.mood)
        self._restart()

    def _restart(self) -> None:
        new = reborn(self.tastes, self.day)
        self.mood = np.where(new[:, None], self.tastes.topics, self.mood)
        self.clicked[new] = False


def _joined(rounds: list[Impressions]) -> Impressions:
    names = list(Impressions.__dataclass_fields__)
    empty = np.empty(0, dtype=np.int64)
    return Impressions(**{n: np.concatenate([getattr(r, n) for r in rounds]) if rounds else empty for n in names})
