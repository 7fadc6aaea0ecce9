"""Which part of the data a user belongs to.

A user's hash never changes, so neither does his slot, one of 4096 equal ranges of hashes. A bucket is a run of
neighbouring slots; how many buckets there are is a setting, and another number only cuts the same order elsewhere.
"""

import numpy as np
import polars as pl
import polars_hash as plh

SLOT_BITS = 12
SLOTS = 1 << SLOT_BITS


def user_hashes(user_ids: pl.Series) -> np.ndarray:
    """(len,) uint64, the same on every machine: xxHash64 of a text; of a number a mixing that is one to one.

    The mixing is the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    if user_ids.dtype == pl.String:
        hashed: pl.Expr = plh.NonCryptographicHashingNameSpace(pl.col(user_ids.name)).xxhash64()
        return user_ids.to_frame().select(hashed).to_series().to_numpy()
    mixed = user_ids.to_numpy().astype(np.int64).view(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def slots_of(hashes: np.ndarray) -> np.ndarray:
    """(len,) int16 in 0..SLOTS - 1, ascending with the hashes."""
    return (hashes >> np.uint64(64 - SLOT_BITS)).astype(np.int16)


def slot_edges(buckets: int) -> np.ndarray:
    """(buckets + 1,) int64: bucket b holds the slots from edge b up to, not including, edge b + 1."""
    return np.arange(buckets + 1) * SLOTS // buckets


def buckets_of(slots: np.ndarray, buckets: int) -> np.ndarray:
    """(len,) int64 bucket of each slot."""
    return np.searchsorted(slot_edges(buckets), slots, side="right") - 1
