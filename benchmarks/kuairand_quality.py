"""How good a video is, whoever saw it (`models.item_quality`), and wherever.

There are surfaces on which hardly anything is watched, whatever it is. Of the history no surface is known, so each of
its impressions is a mixture of both kinds, with a chance that follows from the surfaces that are known of user and
video.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl
from scipy.special import expit, logit

from benchmarks.kuairand_data import LABEL, Known
from models.item_quality import FloatArray, IntArray, tell_apart

USER_SURFACES, VIDEO_SURFACES = 3.0, 20.0
"""What the share of idle surfaces counts, in impressions of the mean."""

RATE_PRIOR = 20.0

UNKNOWN = -1
"""The surface of what the history lists."""


@dataclass(frozen=True)
class Observations:
    """N impressions of which it is known whether they were watched long; those of the history come first."""

    users: IntArray
    videos: IntArray
    tabs: IntArray
    watched: FloatArray

    @classmethod
    def of(cls, known: Known) -> "Observations":
        parts = [known.history.with_columns(pl.lit(UNKNOWN, pl.Int8).alias("tab")), known.impressions]
        users, videos, tabs, watched = (
            np.concatenate([part[name].to_numpy().astype(np.int64) for part in parts])
            for name in ("user_id", "video_id", "tab", LABEL)
        )
        return cls(users, videos, tabs, watched.astype(np.float64))


@dataclass(frozen=True)
class Surfaces:
    """On which surfaces users and videos meet.

    Attributes:
        idle: The tabs on which things are watched at less than half of the mean rate.
        shift: Logit of the rate there less that of the rest.
        of_user, of_video: Logit of the share of idle surfaces, 0 where it is the mean.
        mean: Logit of it.
    """

    idle: IntArray
    shift: float
    of_user: FloatArray
    of_video: FloatArray
    mean: float

    @classmethod
    def of(cls, impressions: pl.DataFrame, users: int, videos: int) -> "Surfaces":
        """Of impressions whose surfaces are known."""
        tabs, watched = impressions["tab"].to_numpy().astype(np.int64), impressions[LABEL].to_numpy()
        counts = np.bincount(tabs)
        idle = np.flatnonzero((counts > 0) & (np.bincount(tabs, watched) < counts * watched.mean() / 2))
        on_idle = np.isin(tabs, idle)
        mean = (on_idle.sum() + 0.5) / (len(tabs) + 1)
        busy_rate, idle_rate = ((watched[part].sum() + 0.5) / (part.sum() + 1) for part in (~on_idle, on_idle))

        def of(who: str, count: int, prior: float) -> FloatArray:
            place = impressions[who].to_numpy().astype(np.int64)
            shares = (np.bincount(place, on_idle, count) + prior * mean) / (np.bincount(place, minlength=count) + prior)
            return np.asarray(logit(shares) - logit(mean))

        return cls(
            idle,
            float(logit(idle_rate) - logit(busy_rate)),
            of("user_id", users, USER_SURFACES),
            of("video_id", videos, VIDEO_SURFACES),
            float(logit(mean)),
        )

    def chance(self, seen: Observations) -> FloatArray:
        """(N,) how probably each was on an idle surface; 0 or 1 where the surface is known."""
        guess = expit(self.mean + self.of_user[seen.users] + self.of_video[seen.videos])
        return np.where(seen.tabs == UNKNOWN, guess, np.isin(seen.tabs, self.idle))


@dataclass(frozen=True)
class Quality:
    """What the logit of watching long is made of.

    Attributes:
        of_video: (V,) 0 for a video that nobody saw.
        of_user: (U,) 0 for a user of whom nothing is known.
    """

    of_video: FloatArray
    of_user: FloatArray

    @classmethod
    def rates(cls, seen: Observations, surfaces: Surfaces) -> "Quality":
        """What counting says instead: logits of smoothed rates less that of the mean, whoever saw what, and where."""
        mean = (seen.watched.sum() + 0.5) / (len(seen.watched) + 1)

        def of(places: IntArray, count: int) -> FloatArray:
            watched = np.bincount(places, seen.watched, count) + RATE_PRIOR * mean
            return np.asarray(logit(watched / (np.bincount(places, minlength=count) + RATE_PRIOR)) - logit(mean))

        return cls(of(seen.videos, len(surfaces.of_video)), of(seen.users, len(surfaces.of_user)))

    @classmethod
    def of(cls, seen: Observations, surfaces: Surfaces) -> "Quality":
        """Fitted to what was seen, by expectation and maximisation over the surfaces that are not known."""
        slopes = partial(_slopes, watched=seen.watched, idle=surfaces.chance(seen), shift=surfaces.shift)
        told = tell_apart(seen.users, seen.videos, slopes, len(surfaces.of_user), len(surfaces.of_video))
        return cls(told.of_item, told.of_user)


def _slopes(logits: FloatArray, watched: FloatArray, idle: FloatArray, shift: float) -> tuple[FloatArray, FloatArray]:
    """(N,) gradient of the log likelihood by the logit, and its expected curvature."""
    busy_rate, idle_rate = expit(logits), expit(logits + shift)
    busy_says, idle_says = (np.where(watched > 0, rate, 1 - rate) for rate in (busy_rate, idle_rate))
    was_idle = idle * idle_says / (idle * idle_says + (1 - idle) * busy_says)
    gradient = (1 - was_idle) * (watched - busy_rate) + was_idle * (watched - idle_rate)
    information = (1 - was_idle) * busy_rate * (1 - busy_rate) + was_idle * idle_rate * (1 - idle_rate)
    return gradient, information
