"""Folding events into the sequences of a bucket of users.

What a user did with one item on one occasion (a request or, without one, a moment) is one interaction: the times of its
first and last action, all action bits, the largest value, one surface. An event that comes twice, or late, changes
nothing that it should not: folding asks for maxima, minima and bits alone.

A request ends where its next action on the item is more than a gap away, for the request ids of many logs begin anew
each day, or are always the same. The first and the last time of every interaction are enough to tell whether a late
event belongs to one of them, or makes two of them one.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.buckets import SLOT_BITS, SLOTS, user_hashes
from models import native
from models.columns import USER_ID
from storage.sequence_store import FIELDS, NO_SURFACE, BucketSequences

SOURCE = Path(__file__).parents[1] / "native" / "merge.cpp"


@dataclass(frozen=True)
class NewEvents:
    """Events of some users, in runs in which the users' hashes ascend, such as a run for each day.

    Attributes:
        user_ids: (n,) strings or int64.
        hashes: (n,) uint64 of the users.
        columns: (n,) arrays under the names and in the types of `FIELDS`; `arrival` orders all events of a user.
        starts, ends: (runs,) int64 where each run begins and ends.
    """

    user_ids: pl.Series
    hashes: np.ndarray
    columns: dict[str, np.ndarray]
    starts: np.ndarray
    ends: np.ndarray

    @classmethod
    def of(cls, user_ids: pl.Series, columns: dict[str, np.ndarray]) -> "NewEvents":
        """Events in any order; the fewer runs they fall into, the faster they are merged."""
        hashes = user_hashes(user_ids)
        breaks = np.flatnonzero(hashes[1:] < hashes[:-1]) + 1
        edges = np.concatenate([[0], breaks, [len(hashes)]]).astype(np.int64)
        return cls(user_ids, hashes, columns, edges[:-1], edges[1:])

    def of_slots(self, first: int, end: int) -> "NewEvents":
        """Only the events of users in the slots from `first` up to, not including, `end`."""
        runs = [(start, self.hashes[start:stop]) for start, stop in zip(self.starts, self.ends, strict=True)]
        starts, ends = (
            np.array([start + _before(hashes, slot) for start, hashes in runs], np.int64) for slot in (first, end)
        )
        return replace(self, starts=starts, ends=ends)

    def __len__(self) -> int:
        return int((self.ends - self.starts).sum())

    @property
    def positions(self) -> np.ndarray:
        """(len,) int64 of the events in their arrays."""
        runs = [np.arange(start, end) for start, end in zip(self.starts, self.ends, strict=True)]
        return np.concatenate([np.empty(0, np.int64), *runs])


def merge_sequences(
    before: BucketSequences, events: NewEvents, gap: timedelta, surfaces: Sequence[str]
) -> BucketSequences:
    """The sequences `before` with `events` folded in.

    The same result comes from all events at once as from any split of them into parts, folded in any order.

    Args:
        gap: Actions of one request on one item that lie further apart are two interactions.
        surfaces: Names of surfaces; of several in one interaction the first in the alphabet is kept.

    Raises:
        ValueError: two users have the same hash.
    """
    merged = _native if native.compiles(SOURCE) else _polars
    ranks = np.argsort(np.argsort(np.array(surfaces, dtype=object))).astype(np.int16)
    return merged(before, events, gap // timedelta(milliseconds=1), ranks)


def _before(hashes: np.ndarray, slot: int) -> int:
    """How many of ascending `hashes` are of slots before `slot`."""
    return int(np.searchsorted(hashes, np.uint64(slot << (64 - SLOT_BITS)))) if slot < SLOTS else len(hashes)


class _Columns(ctypes.Structure):
    """`Columns` of merge.cpp: one pointer for each of FIELDS, in their order."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in FIELDS)

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray]) -> "_Columns":
        return cls(*(array.ctypes.data for array in arrays))


def _native(before: BucketSequences, events: NewEvents, gap: int, surface_ranks: np.ndarray) -> BucketSequences:
    most = len(before.item_row) + len(events)
    users = len(before) + len(events)
    old_hashes = user_hashes(before.user_ids)
    old = [np.ascontiguousarray(getattr(before, name), dtype) for name, dtype in FIELDS.items()]
    new = [np.ascontiguousarray(events.columns[name], dtype) for name, dtype in FIELDS.items()]
    out = [np.empty(most, dtype) for dtype in FIELDS.values()]
    hashes, offsets = np.empty(users, np.uint64), np.empty(users + 1, np.int64)
    from_before, from_event = np.empty(users, np.int64), np.empty(users, np.int64)
    merge = native.kernel(SOURCE).merge_sequences
    merge.restype = ctypes.c_int64
    count = merge(
        ctypes.c_int64(gap),
        _pointer(surface_ranks),
        ctypes.c_int64(len(before)),
        _pointer(old_hashes),
        _pointer(np.ascontiguousarray(before.offsets)),
        ctypes.byref(_Columns.of(old)),
        ctypes.c_int64(len(events.starts)),
        _pointer(np.ascontiguousarray(events.starts)),
        _pointer(np.ascontiguousarray(events.ends)),
        _pointer(np.ascontiguousarray(events.hashes)),
        ctypes.byref(_Columns.of(new)),
        ctypes.byref(_Columns.of(out)),
        *map(_pointer, (hashes, offsets, from_before, from_event)),
    )
    ids = _ids(before.user_ids, events.user_ids, from_before[:count], from_event[:count])
    _require_distinct(events, ids, hashes[:count])
    end = offsets[count]
    return BucketSequences(ids, offsets[: count + 1], *(array[:end] for array in out))


def _polars(before: BucketSequences, events: NewEvents, gap: int, surface_ranks: np.ndarray) -> BucketSequences:
    """The same by library calls: where there is no compiler, and what the kernel is tested against."""
    old = pl.DataFrame({name: getattr(before, name) for name in FIELDS}).with_columns(
        before.user_ids.gather(pl.Series(np.repeat(np.arange(len(before)), before.lengths))).alias(USER_ID),
        pl.Series("hash", np.repeat(user_hashes(before.user_ids), before.lengths)),
    )
    every = pl.DataFrame(events.columns).with_columns(events.user_ids.alias(USER_ID), pl.Series("hash", events.hashes))
    new = every.select(pl.all().gather(pl.Series(events.positions)))
    codes, ranks = range(len(surface_ranks)), surface_ranks.tolist()
    rank = pl.col("surface").replace_strict(codes, ranks, default=None, return_dtype=pl.Int16)
    code = pl.col("surface").replace_strict(ranks, codes, default=NO_SURFACE, return_dtype=pl.Int16)
    key = ("hash", USER_ID, "item_row", "occasion")
    apart = pl.col("started") - pl.col("timestamp").cum_max().shift(1).over(key) > gap
    rows = (
        pl.concat([old, new.select(old.columns)])
        .sort("started")
        .with_columns(apart.fill_null(False).cum_sum().over(key).alias("group"))
        .group_by(*key, "group")
        .agg(
            pl.col("started").min(),
            pl.col("timestamp").max(),
            pl.col("actions").bitwise_or(),
            pl.col("value").fill_nan(None).max().fill_null(float("nan")),
            rank.min().alias("surface"),
            pl.col("arrival").min(),
        )
        .with_columns(code)
        .sort("hash", USER_ID, "timestamp", "arrival")
    )
    users = rows.group_by("hash", USER_ID, maintain_order=True).len()
    if users["hash"].n_unique() < users.height:
        raise _clash(users.filter(pl.col("hash").is_duplicated())[USER_ID])
    offsets = np.concatenate([[0], np.cumsum(users["len"].to_numpy())]).astype(np.int64)
    return BucketSequences(users[USER_ID], offsets, *(rows[name].to_numpy() for name in FIELDS))


def _ids(before: pl.Series, new: pl.Series, from_before: np.ndarray, from_event: np.ndarray) -> pl.Series:
    old_ids, new_ids = (
        ids.gather(pl.select(pl.when(pl.Series(places) >= 0).then(pl.Series(places))).to_series())
        for ids, places in ((before, from_before), (new, from_event))
    )
    clash = (old_ids != new_ids).fill_null(False)
    if clash.any():
        raise _clash(pl.concat([old_ids.filter(clash), new_ids.filter(clash)]))
    return pl.DataFrame([old_ids.alias("old"), new_ids.alias("new")]).select(pl.coalesce("old", "new")).to_series()


def _require_distinct(events: NewEvents, ids: pl.Series, hashes: np.ndarray) -> None:
    """Numbers are mixed one to one; only texts could share a hash."""
    if ids.dtype != pl.String:
        return
    positions = events.positions
    merged_into = ids.gather(pl.Series(np.searchsorted(hashes, events.hashes[positions])))
    own = events.user_ids.gather(pl.Series(positions))
    clash = merged_into != own
    if clash.any():
        raise _clash(pl.concat([merged_into.filter(clash).head(1), own.filter(clash).head(1)]))


def _clash(user_ids: pl.Series) -> ValueError:
    return ValueError(
        f"the users {', '.join(map(repr, user_ids.head(2)))} have the same 64-bit hash and would be taken for one: "
        "rename one of them in the source"
    )


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
