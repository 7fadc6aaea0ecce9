"""The logging policy and the users' answers: which items a request shows, and which of them are clicked.

A surface shows item i to user u with probability proportional to weight(i) x exp(interest x topic + style). The
exponent is equal for all items of a cell (topic x style), so a draw is two steps, cell then item, and its cost does
not grow with the catalogue.
"""

from dataclasses import dataclass

import numpy as np

from assets.sources.demo_world.catalogue import CELLS, Items
from assets.sources.demo_world.words import STYLES, TOPICS

TOPIC_OF_CELL = np.repeat(np.arange(len(TOPICS)), len(STYLES))
STYLE_OF_CELL = np.tile(np.arange(len(STYLES)), len(TOPICS))

FRESH_DAYS = 1.0
"""Days in which the extra exposure of a new item halves."""

AGE_DAYS = 60.0
"""Days in which the exposure of every item halves."""

SHOWN = (5, 10)
"""Fewest and most items of one request."""


@dataclass(frozen=True)
class Surface:
    """One place in the app, with its own mix of the user's preference, popularity and exploration.

    Args:
        name: As logged.
        share: Share of all requests.
        interest: How sharply the user's topics steer it.
        style: How sharply the user's styles steer it.
        quality: How strongly good items are favoured.
        novelty: Extra weight of an item on the day it appears.
    """

    name: str
    share: float
    interest: float
    style: float
    quality: float
    novelty: float


SURFACES = (
    Surface("home", 0.70, interest=10.0, style=1.5, quality=1.0, novelty=2.6),
    Surface("trending", 0.15, interest=1.5, style=0.0, quality=1.2, novelty=1.0),
    Surface("discover", 0.15, interest=0.0, style=0.0, quality=0.0, novelty=4.0),
)
SURFACE_SHARES = np.array([s.share for s in SURFACES])

CLICK_BIAS, CLICK_INTEREST, CLICK_STYLE, CLICK_QUALITY = -2.0, 6.0, 0.7, 0.35
"""Logit of a click: bias + interest in the topic + style + quality."""


class Shelf:
    """What one surface has on one day: items in the order of their cells, with cumulated weights."""

    def __init__(self, surface: Surface, items: Items, day: int) -> None:
        age = day - items.born
        novelty = 1 + surface.novelty * 0.5 ** (age / FRESH_DAYS)
        self.surface = surface
        self.weight = np.exp(surface.quality * items.quality) * novelty * 0.5 ** (age / AGE_DAYS)
        self.order = np.argsort(items.cell, kind="stable")
        self.cumulated = np.concatenate([[0.0], np.cumsum(self.weight[self.order])])
        edges = np.searchsorted(items.cell[self.order], np.arange(CELLS + 1))
        self.edge_weight = self.cumulated[edges]

    def cell_shares(self, interest: np.ndarray, styles: np.ndarray) -> np.ndarray:
        """(U, C): probability that a slot shows an item of each cell."""
        logits = self.surface.interest * interest[:, TOPIC_OF_CELL] + self.surface.style * styles[:, STYLE_OF_CELL]
        weight = np.diff(self.edge_weight) * np.exp(logits)
        return weight / weight.sum(axis=1, keepdims=True)

    def pick(self, cells: np.ndarray, chance: np.ndarray) -> np.ndarray:
        """Item indices: one of each cell in `cells`, `chance` in [0, 1) deciding which."""
        low, high = self.edge_weight[cells], self.edge_weight[cells + 1]
        place = np.searchsorted(self.cumulated, low + chance * (high - low), side="right") - 1
        return self.order[np.minimum(place, len(self.order) - 1)]


def shelves(items: Items, day: int) -> list[Shelf]:
    """One shelf per surface, in the order of `SURFACES`."""
    return [Shelf(surface, items, day) for surface in SURFACES]


def propose(
    day_shelves: list[Shelf], surface: np.ndarray, interest: np.ndarray, styles: np.ndarray, chance: np.ndarray
) -> np.ndarray:
    """Draws items with replacement for A requests.

    Args:
        day_shelves: The day's shelves.
        surface: (A,) index into `SURFACES`.
        interest: (A, K) of the requests' users.
        styles: (A, S) of the requests' users.
        chance: (A, M, 2) uniform draws: of the cell and of the item in it.

    Returns:
        (A, M) item indices.
    """
    items = np.empty(chance.shape[:2], dtype=np.int64)
    for number, shelf in enumerate(day_shelves):
        rows = np.flatnonzero(surface == number)
        cumulated = np.cumsum(shelf.cell_shares(interest[rows], styles[rows]), axis=1)
        cells = (cumulated[:, None, :] < chance[rows, :, :1]).sum(axis=2)
        items[rows] = shelf.pick(np.minimum(cells, CELLS - 1), chance[rows, :, 1])
    return items


def click_logits(interest: np.ndarray, style: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Logit of a click, elementwise: interest in the item's topic, taste for its style, its quality."""
    return CLICK_BIAS + CLICK_INTEREST * interest + CLICK_STYLE * style + CLICK_QUALITY * quality


def sigmoid(logits: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-logits))


def expected_clicks(day_shelves: list[Shelf], items: Items, interest: np.ndarray, styles: np.ndarray) -> np.ndarray:
    """(U, I): probability that one request of each user shows each item and the user clicks it."""
    slots = sum(SHOWN) / 2
    exposure = np.zeros((len(interest), len(items)))
    for shelf in day_shelves:
        per_item = shelf.weight / np.diff(shelf.edge_weight)[items.cell]
        share = shelf.cell_shares(interest, styles)[:, items.cell] * per_item
        exposure += shelf.surface.share * (1 - (1 - share) ** slots)
    logits = click_logits(interest[:, items.topic], styles[:, items.style], items.quality)
    return exposure * sigmoid(logits)
