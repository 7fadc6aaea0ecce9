"""Yambda cut as its benchmark cuts it (arXiv 2505.22238): 300 days to learn from, half an hour of nothing, a day."""

from pathlib import Path
from typing import Literal

import numpy as np
import polars as pl

Task = Literal["listen_plus", "like"]

EVENTS = "multi_event.parquet"
DAY_S = 86_400
GAP_S = 1_800
LAST_S = 26_000_000
TEST_S = LAST_S - DAY_S
"""Seconds from the origin at which the test day begins, the published constant."""

LISTEN_PLUS = 50
"""Percent of a track from which a listen counts."""


def training_part(events: Path, to: Path) -> Path:
    """Writes what happened before the gap to the folder `to`, of whatever kind, in the publisher's format.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not events.is_file():
        raise FileNotFoundError(
            f"{events} is not there: download Yambda with `genrec fetch yambda-50m`, or say by --data where the folder "
            f"with {EVENTS} is (the flat layout)"
        )
    to.mkdir(parents=True, exist_ok=True)
    pl.scan_parquet(events).filter(pl.col("timestamp") < TEST_S - GAP_S).sink_parquet(to / EVENTS)
    return to


def asked_for(events: Path, task: Task) -> pl.DataFrame:
    """`uid`, `item_id` of every event of the test day that counts for the task."""
    if task == "like":
        counts = pl.col("event_type").cast(pl.String) == "like"
    else:
        counts = (pl.col("event_type").cast(pl.String) == "listen") & (pl.col("played_ratio_pct") >= LISTEN_PLUS)
    later = pl.scan_parquet(events).filter((pl.col("timestamp") >= TEST_S) & counts)
    return later.select(pl.col("uid").cast(pl.Int64), pl.col("item_id").cast(pl.Int64)).collect()


def write_imitation(folder: Path, users: int = 60, tracks: int = 90, seed: int = 0) -> Path:
    """A small file in the publisher's format: users who go round through a few tracks each, and like some."""
    random = np.random.default_rng(seed)
    rows: list[tuple[object, ...]] = []
    for user in range(users):
        times = np.sort(random.integers(0, LAST_S // 5, 60)) * 5
        times[-4:] = TEST_S + 5 * np.sort(random.integers(0, DAY_S // 5, 4))
        own = (random.integers(tracks) + np.arange(6)) % tracks
        for place, time in enumerate(times.tolist()):
            track, liked = int(own[place % len(own)]), random.random() < 0.15
            rows.append((user, time, track, place % 2, "listen", int(random.choice([20, 100, 100])), 180))
            if liked:
                rows.append((user, time, track, place % 2, "like", None, None))
    schema: dict[str, pl.DataType] = {
        "uid": pl.UInt32(),
        "timestamp": pl.UInt32(),
        "item_id": pl.UInt32(),
        "is_organic": pl.UInt8(),
        "event_type": pl.Enum(["listen", "dislike", "like", "undislike", "unlike"]),
        "played_ratio_pct": pl.UInt16(),
        "track_length_seconds": pl.UInt32(),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(rows, schema, orient="row").write_parquet(folder / EVENTS)
    return folder
