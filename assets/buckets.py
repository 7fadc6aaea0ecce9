"""Which part of the data a user belongs to.

A user's hash never changes, so neither does their slot, one of 4096 equal ranges of hashes. A bucket is a run of
neighbouring slots; how many buckets there are is a setting, and another number only cuts the same order elsewhere.
"""

import numpy as np
import polars as pl
import polars_hash as plh

from models.hashing import splitmix64

SLOT_BITS = 12
SLOTS = 1 << SLOT_BITS


def user_hashes(user_ids: pl.Series) -> np.ndarray:
    """(len,) uint64, the same on every machine: xxHash64 of a text, SplitMix64 of a number."""
    if user_ids.dtype == pl.String:
        hashed: pl.Expr = plh.NonCryptographicHashingNameSpace(pl.col(user_ids.name)).xxhash64()
        return user_ids.to_frame().select(hashed).to_series().to_numpy()
    return splitmix64(user_ids.to_numpy().astype(np.int64).view(np.uint64))


def slots_of(hashes: np.ndarray) -> np.ndarray:
    """(len,) int16 in 0..SLOTS - 1, ascending with the hashes."""
    return (hashes >> np.uint64(64 - SLOT_BITS)).astype(np.int16)


def slot_edges(buckets: int) -> np.ndarray:
    """(buckets + 1,) int64: bucket b holds the slots from edge b up to, not including, edge b + 1."""
    return np.arange(buckets + 1) * SLOTS // buckets


def buckets_of(slots: np.ndarray, buckets: int) -> np.ndarray:
    """(len,) int64 bucket of each slot."""
    return np.searchsorted(slot_edges(buckets), slots, side="right") - 1
