"""Impressions as event rows: what the app's logger writes, with times and with feedback."""

from collections.abc import Collection

import numpy as np
import polars as pl

from assets.sources.demo_world.audience import MOST_REQUESTS, Impressions
from assets.sources.demo_world.catalogue import FIRST_ITEM_ID
from assets.sources.demo_world.policy import SURFACES, sigmoid
from models.columns import ACTION, ITEM_ID, REQUEST_ID, SURFACE, TIMESTAMP, USER_ID, VALUE
from models.declared import DeclaredColumn, DeclaredColumns

FIRST_USER_ID = 1

DAY_MS = 86_400_000
CLIP_MS = 20_000
"""Length of a clip; `play` reports the watched fraction of it."""

LIKE_BIAS, PLAY_SHARE = -1.5, 0.8


OFFERED: DeclaredColumns = {
    "position": DeclaredColumn(known="request", type="number"),
    "stay_ms": DeclaredColumn(known="outcome", type="number"),
}
"""Columns beside the contract's: the item's place in the answer, from 0, and how long the user stayed with it."""


def event_rows(
    impressions: Impressions,
    first_user: int,
    date_key: str,
    midnight: int,
    draw: np.random.Generator,
    declared: Collection[str] = (),
) -> pl.DataFrame:
    """The event rows of one chunk and day, ascending by time, timestamps in epoch milliseconds.

    Each impression is followed by `skip` or by `click`, a click sometimes by `like` and mostly by `play`.

    Args:
        impressions: What was shown and clicked.
        first_user: Position of the chunk's first user in the world.
        date_key: Names the day within `request_id`.
        midnight: Start of the day, epoch milliseconds.
        draw: Source of feedback and times.
        declared: Which of OFFERED the rows have.
    """
    clicked = impressions.clicked
    chance = draw.random((4, len(clicked)))
    attention = sigmoid(impressions.logit)
    watched = np.clip(0.2 + 0.7 * attention + 0.25 * (chance[0] - 0.5), 0.02, 1).astype(np.float32)
    hesitation = (500 + 2_000 * chance[1]).astype(np.int64)
    stay = hesitation + np.where(clicked, 600 + watched * CLIP_MS, 100).astype(np.int64)
    shown_at = midnight + _request_start(impressions, draw) + _elapsed(stay, impressions.position)
    answered_at = shown_at + hesitation
    rows = pl.DataFrame(
        {
            USER_ID: FIRST_USER_ID + first_user + impressions.user,
            ITEM_ID: FIRST_ITEM_ID + impressions.item,
            SURFACE: np.array([s.name for s in SURFACES])[impressions.surface],
            "number": impressions.request,
            "position": impressions.position,
            "stay_ms": stay,
        }
    ).with_columns(pl.format("{}-{}-{}", pl.lit(date_key), USER_ID, "number").alias(REQUEST_ID))
    nothing = np.full(len(clicked), np.nan, dtype=np.float32)
    liked = clicked & (chance[2] < sigmoid(LIKE_BIAS + impressions.logit))
    played = clicked & (chance[3] < PLAY_SHARE)
    rows = rows.select(USER_ID, ITEM_ID, SURFACE, REQUEST_ID, *sorted(declared))
    logged = [
        _logged(rows, "impression", shown_at, nothing, np.ones_like(clicked)),
        _logged(rows, "skip", answered_at, nothing, ~clicked),
        _logged(rows, "click", answered_at, nothing, clicked),
        _logged(rows, "like", answered_at + 200, nothing, liked),
        _logged(rows, "play", shown_at + stay - 100, watched, played),
    ]
    return pl.concat(logged).sort(TIMESTAMP, USER_ID, maintain_order=True)


def _logged(rows: pl.DataFrame, action: str, at: np.ndarray, value: np.ndarray, which: np.ndarray) -> pl.DataFrame:
    return rows.select(
        USER_ID,
        ITEM_ID,
        pl.Series(TIMESTAMP, at, dtype=pl.Int64),
        pl.lit(action).alias(ACTION),
        pl.Series(VALUE, value, dtype=pl.Float32).fill_nan(None),
        pl.exclude(USER_ID, ITEM_ID),
    ).filter(pl.Series(which))


def _request_start(impressions: Impressions, draw: np.random.Generator) -> np.ndarray:
    """(R,) start of each row's request in ms since midnight: one per n-th of the day, so requests never overlap."""
    users = impressions.user.max(initial=-1) + 1
    jitter = draw.random((users, MOST_REQUESTS))[impressions.user, impressions.request]
    return ((impressions.request + 0.7 * jitter) / np.maximum(impressions.requests, 1) * DAY_MS).astype(np.int64)


def _elapsed(stay: np.ndarray, position: np.ndarray) -> np.ndarray:
    """(R,) ms since the request's start: the time spent on the items above."""
    before = np.cumsum(stay) - stay
    starts = np.flatnonzero(position == 0)
    return before - np.repeat(before[starts], np.diff(np.append(starts, len(stay))))
