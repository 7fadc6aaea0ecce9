"""The faults of real logs: spoiled copies of good rows, added beside them, so that the good rows stay complete."""

import numpy as np
import polars as pl

from models.columns import ACTION, ITEM_ID, TIMESTAMP, USER_ID

YEAR_MS = 365 * 86_400_000

FAULTS: tuple[tuple[str, pl.Expr | None], ...] = (
    ("duplicate", None),
    ("unknown action", pl.lit("hover").alias(ACTION)),
    ("null user", pl.lit(None, dtype=pl.Int64).alias(USER_ID)),
    ("seconds for milliseconds", (pl.col(TIMESTAMP) // 1_000).alias(TIMESTAMP)),
    ("unknown item", (-pl.col(ITEM_ID)).alias(ITEM_ID)),
    ("future timestamp", (pl.col(TIMESTAMP) + 10 * YEAR_MS).alias(TIMESTAMP)),
)
"""Each fault and what it does to a row."""


def with_dirt(events: pl.DataFrame, share: float, draw: np.random.Generator) -> pl.DataFrame:
    """`events` plus about `share` of damaged rows, every fault in turn, each right behind the row it copies."""
    count = round(share * events.height)
    victims = events.with_row_index("_place")[np.sort(draw.integers(max(events.height, 1), size=count)).tolist()]
    spoiled = [
        victims.gather_every(len(FAULTS), offset).with_columns([] if change is None else [change])
        for offset, (_, change) in enumerate(FAULTS)
    ]
    return pl.concat([events.with_row_index("_place"), *spoiled]).sort("_place", maintain_order=True).drop("_place")
