"""A fixed direction for every name: sums of them tell sets of names apart in few dimensions, and nothing is fitted.

Directions of different names are nearly at right angles (Johnson and Lindenstrauss; signs: Achlioptas, 2003). They
depend on nothing but the name, so vectors of different nights mean the same, whatever names have come and gone.
"""

import numpy as np
import polars as pl
import polars_hash as plh

from storage.vectors import Matrix

BITS = 64


def directions(names: pl.Series, width: int) -> Matrix:
    """(len(names), width) float32 of length 1, each entry positive or negative as a hash of the name has it.

    Args:
        names: Texts.
        width: A multiple of 64.
    """
    hashes = names.to_frame("name").select(plh.col("name").nchash.xxhash64()).to_series().to_numpy()
    words = _mixed(hashes[:, None] + np.arange(1, width // BITS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    bits = np.unpackbits(words.astype("<u8").view(np.uint8), axis=1, bitorder="little")
    return (bits.astype(np.float32) * 2 - 1) / np.float32(width**0.5)


def _mixed(words: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele et al., 2014): near words come out unlike each other."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray = words ^ (words >> np.uint64(31))
    return mixed
