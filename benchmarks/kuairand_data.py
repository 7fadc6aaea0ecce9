"""KuaiRand-Pure as the TechJam 2026 protocol cuts it: what may be known before a day, and what is asked of it.

The folder is that of a published extract of KuaiRand-Pure (Gao et al., CIKM 2022): `impressions.parquet` with the
standard log of 25 April to 8 May 2022, `history.parquet` with lists of what each user was shown, liked and watched
long before that, oldest first and without times, `users.parquet` and `videos.parquet`.

- The long-watched list is a part of the impressions, in their order. So both lists, read from their ends, tell of each
  of the last 50 impressions whether it was watched long: 817,187 labelled rows, without surface and time.
- The statistics of `videos.parquet` were counted over the whole month; they are dropped where the file is read.
- 5,460 rows repeat another one in every column, as in the source. They are asked about like all others, since the
  protocol counts them; what is known holds each of them once.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

LABEL = "long_view"

VALIDATION_DAY, FIRST_TEST_DAY, LAST_TEST_DAY = date(2022, 4, 28), date(2022, 4, 29), date(2022, 5, 8)

KEYS = ("user_id", "video_id", "time_ms")
AT_REQUEST = (*KEYS, "date", "hourmin", "tab", "duration_ms")
"""Columns of an impression that are known when it is shown; all others are what came of it."""

OF_VIDEOS = ("video_id", "author_id", "video_type", "upload_type", "video_duration", "music_id", "music_type", "tag")

FILES = ("impressions", "history", "users", "videos")


@dataclass(frozen=True)
class Known:
    """Everything that may be known before a day.

    Attributes:
        impressions: Of earlier days, with what came of them, each once.
        history: `user_id`, `video_id`, `long_view`, `back`: what was shown before the first of them, oldest first;
            `back` counts from the user's last one, which is 1.
        users, videos: What is known of them at any time.
    """

    impressions: pl.DataFrame
    history: pl.DataFrame
    users: pl.DataFrame
    videos: pl.DataFrame

    def before_last(self, count: int) -> tuple["Known", pl.DataFrame]:
        """What was known before the last `count` days with impressions, and the impressions of these days."""
        first = self.impressions["date"].unique().sort()[-count:][0]
        earlier, later = (self.impressions.filter(pl.col("date") < first), pl.col("date") >= first)
        return replace(self, impressions=earlier), self.impressions.filter(later)


@dataclass(frozen=True)
class Task:
    """What is asked, and what may be known for it.

    Attributes:
        known: From before the first day that is asked about.
        asked: T impressions, with the columns `AT_REQUEST` alone.
    """

    known: Known
    asked: pl.DataFrame


@dataclass(frozen=True)
class KuaiRand:
    """The four files; days are Beijing's, as the log's column `date` has them."""

    impressions: pl.DataFrame
    history: pl.DataFrame
    users: pl.DataFrame
    videos: pl.DataFrame

    def task(self, first: date, last: date | None = None) -> Task:
        """Asks about the days `first` to `last` (inclusive), or `first` alone; the days before `first` are known.

        Raises:
            ValueError: nothing was shown on these days.
        """
        asked = self._between(first, last)
        if not asked.height:
            raise ValueError(f"nothing was shown from {first} to {last or first}: is this the whole log?")
        before = self.impressions.filter(pl.col("date") < _number(first)).unique(maintain_order=True)
        return Task(Known(before, self.history, self.users, self.videos), asked.select(AT_REQUEST))

    def answers(self, first: date, last: date | None = None) -> NDArray[np.bool_]:
        """(T,) whether each impression that `task` asks about was watched long."""
        watched: NDArray[np.bool_] = self._between(first, last)[LABEL].to_numpy() > 0
        return watched

    def _between(self, first: date, last: date | None) -> pl.DataFrame:
        return self.impressions.filter(pl.col("date").is_between(_number(first), _number(last or first)))


def days(first: date, last: date) -> list[date]:
    """All days from `first` to `last`, both included."""
    return [first + timedelta(days=after) for after in range((last - first).days + 1)]


def read(folder: Path | None) -> KuaiRand:
    """The extract in `folder`.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a history's list of what was watched long is no part of what was shown.
    """
    if folder is None:
        raise FileNotFoundError("the folder of KuaiRand-Pure is not known: give --data or set GENREC_KUAIRAND")
    missing = [f"{name}.parquet" for name in FILES if not (folder / f"{name}.parquet").is_file()]
    if missing:
        raise FileNotFoundError(f"{folder} lacks {', '.join(missing)}: --data names the folder that holds the extract")
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in FILES}
    return KuaiRand(
        tables["impressions"],
        labelled_history(tables["history"]),
        tables["users"].cast({"user_id": pl.Int32}),
        tables["videos"].select(OF_VIDEOS).cast({"video_id": pl.Int32}),
    )


def labelled_history(lists: pl.DataFrame) -> pl.DataFrame:
    """One row for each of a user's last impressions, oldest first, with `long_view` from the long-watched list.

    Of a video that was shown twice and watched long once, the later showing counts as the one that was watched.

    Args:
        lists: `user_id`, `last50_impressions`, `last50_long_watched`.

    Raises:
        ValueError: of a user whose impressions are all listed, something was watched long that was not shown.
    """
    columns: dict[str, list[int]] = {"user_id": [], "video_id": [], LABEL: [], "back": []}
    rows = lists.select("user_id", "last50_impressions", "last50_long_watched", "n_impressions_before")
    for user, shown, watched, impressions in rows.iter_rows():
        labels, left = _labels(shown or [], watched or [])
        if left and impressions <= len(shown or []):
            raise ValueError(f"user {user} watched {left} videos long that they were not shown: the history is damaged")
        columns["user_id"] += [user] * len(labels)
        columns["video_id"] += shown or []
        columns[LABEL] += labels
        columns["back"] += range(len(labels), 0, -1)
    return pl.DataFrame(columns, {"user_id": pl.Int32, "video_id": pl.Int32, LABEL: pl.Int8, "back": pl.Int32})


def _labels(shown: Sequence[int], watched: Sequence[int]) -> tuple[list[int], int]:
    """1 or 0 for each of `shown`, and how many of `watched` are earlier than all of them."""
    left, labels = len(watched), [0] * len(shown)
    for place in range(len(shown) - 1, -1, -1):
        if left and watched[left - 1] == shown[place]:
            labels[place], left = 1, left - 1
    return labels, left


def write_imitation(folder: Path, users: int = 60, videos: int = 40) -> Path:
    """A made-up extract with the columns that are read, in which users and videos differ in how long is watched."""
    draw = np.random.default_rng(0)
    quality, taste = draw.normal(size=videos), draw.normal(size=users)
    start = date(2022, 4, 25)
    day = draw.integers(0, (LAST_TEST_DAY - start).days + 1, 40 * users)
    user, video, tab = (draw.integers(0, most, len(day)) for most in (users, videos, 3))
    watched = quality[video] * (1 + taste[user]) - tab + draw.normal(size=len(day)) > 0
    impressions = pl.DataFrame(
        {
            "user_id": user,
            "video_id": video,
            "date": [_number(start + timedelta(days=one)) for one in day.tolist()],
            "hourmin": draw.integers(0, 24, len(day)) * 100,
            "time_ms": 1_650_816_000_000 + 86_400_000 * day + draw.integers(0, 86_400_000, len(day)),
            LABEL: watched,
            "is_like": watched & (draw.random(len(day)) < 0.1),
            "duration_ms": 1_000 * (5 + video),
            "tab": tab,
        }
    ).cast({"user_id": pl.Int32, "video_id": pl.Int32, "date": pl.Int32, LABEL: pl.Int8, "is_like": pl.Int8})
    shown = [draw.integers(0, videos, 12).tolist() for _ in range(users)]
    lists = pl.DataFrame(
        {
            "user_id": range(users),
            "n_impressions_before": [len(one) for one in shown],
            "last50_impressions": shown,
            "last50_long_watched": [[v for v in one if quality[v] > 0] for one in shown],
        }
    )
    catalogue = pl.DataFrame(
        {
            "video_id": range(videos),
            "author_id": [one // 2 for one in range(videos)],
            "video_type": ["NORMAL"] * videos,
            "upload_type": [f"kind {one % 3}" for one in range(videos)],
            "video_duration": [1_000.0 * (5 + one) for one in range(videos)],
            "music_id": range(videos),
            "music_type": [1.0] * videos,
            "tag": [f"{one % 4},{one % 7}" for one in range(videos)],
        }
    )
    people = pl.DataFrame({"user_id": range(users)})
    for name, table in zip(FILES, (impressions.sort("time_ms"), lists, people, catalogue), strict=True):
        table.write_parquet(folder / f"{name}.parquet")
    return folder


def _number(day: date) -> int:
    """A day as the log writes it."""
    return int(f"{day:%Y%m%d}")
