"""What users like: a lasting taste, and a mood that every click moves on.

The mood is a share over topics. A click pulls it towards the clicked topic and the topics that people turn to next,
so the next click depends on the last few more than on the average of all, and on their order.
"""

from dataclasses import dataclass

import numpy as np

from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.streams import Stream, stream
from assets.sources.demo_world.words import STYLES, TOPICS

STAY, TURN, SWERVE = 0.45, 0.48, 0.07
"""After a topic: share that stays, that goes to its first successor, and to its second."""

CLICK_PULL = 0.5
"""Share of the mood that one click replaces."""

MOOD_SHARE = 0.9
"""Weight of the mood in a user's interest; the rest is the lasting taste."""

NIGHT_PULL = 0.03
"""Share of the mood that returns to the lasting taste overnight."""

WHIM = 0.03
"""Probability that a user wakes up with a wholly new interest."""

LIFE = 28
"""Days after which a user starts over: mood and clicked items are forgotten. Bounds what a day depends on."""


def transitions(seed: int) -> np.ndarray:
    """(K, K) float32: row k is the mood that a click on topic k pulls towards; rows sum to 1."""
    draw = stream(seed, Stream.TRANSITIONS)
    circle = draw.permutation(len(TOPICS))
    pull = STAY * np.eye(len(TOPICS))
    pull[circle, np.roll(circle, -1)] += TURN
    pull[circle, np.roll(circle, -7)] += SWERVE
    return pull.astype(np.float32)


@dataclass(frozen=True)
class Tastes:
    """What does not change about U users.

    Args:
        topics: (U, K) float32, the lasting taste: shares over topics.
        styles: (U, S) float32, logits over styles.
        requests: (U,) mean requests a day.
        offset: (U,) phase of each user's life, in days.
    """

    topics: np.ndarray
    styles: np.ndarray
    requests: np.ndarray
    offset: np.ndarray


def tastes(settings: DemoWorldSettings, chunk: int) -> Tastes:
    """The users of one chunk."""
    count = min(settings.users_per_file, settings.users - chunk * settings.users_per_file)
    draw = stream(settings.seed, Stream.USERS, chunk)
    spread = 0.8
    return Tastes(
        topics=draw.dirichlet(np.full(len(TOPICS), 0.15), count).astype(np.float32),
        styles=draw.standard_normal((count, len(STYLES))).astype(np.float32),
        requests=settings.requests_per_day * draw.lognormal(-(spread**2) / 2, spread, count),
        offset=draw.integers(LIFE, size=count),
    )


def interest(tastes: Tastes, mood: np.ndarray) -> np.ndarray:
    """(U, K) float32 shares over topics: what counts when an item is shown and judged."""
    return MOOD_SHARE * mood + (1 - MOOD_SHARE) * tastes.topics


def after_clicks(mood: np.ndarray, topic: np.ndarray, clicked: np.ndarray, pull: np.ndarray) -> np.ndarray:
    """The mood after one request.

    Args:
        mood: (A, K) float32 before the request.
        topic: (A, M) topics of what was shown.
        clicked: (A, M) bool.
        pull: (K, K) of `transitions`.
    """
    clicks = clicked.sum(axis=1, keepdims=True)
    target = (pull[topic] * clicked[..., None]).sum(axis=1) / np.maximum(clicks, 1)
    share = 1 - (1 - CLICK_PULL) ** clicks
    return ((1 - share) * mood + share * target).astype(np.float32)


def overnight(settings: DemoWorldSettings, chunk: int, day: int, tastes: Tastes, mood: np.ndarray) -> np.ndarray:
    """The mood at the start of `day`; users who start over on that day are back at their lasting taste."""
    draw = stream(settings.seed, Stream.NIGHT, chunk, day)
    whim = draw.random(len(mood)) < WHIM
    fancy = np.eye(len(TOPICS), dtype=np.float32)[draw.integers(len(TOPICS), size=len(mood))]
    rested = (1 - NIGHT_PULL) * mood + NIGHT_PULL * tastes.topics
    return np.where(whim[:, None], fancy, rested).astype(np.float32)


def reborn(tastes: Tastes, day: int) -> np.ndarray:
    """(U,) bool: who starts over on `day`."""
    return (day + tastes.offset) % LIFE == 0
