"""Folding events into the sequences of a bucket of users.

What a user did with one item in one request group (a request or, without one, a moment) is one interaction: the times
of its first and last action, all action bits, the largest value, one surface, and what the profile declares. An event
that comes twice, or late, changes nothing that it should not: the rules (`storage.interaction_columns`) are maxima,
minima and bits alone.

A request ends where its next action on the item is more than a gap away, for the request ids of many logs start over
each day, or are always the same. The first and the last time of every interaction are enough to tell whether a late
event belongs to one of them, or makes two of them one.
"""

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl

from assets.buckets import SLOT_BITS, SLOTS, user_hashes
from models import native
from models.columns import USER_ID
from models.declared import DeclaredColumns
from storage.interaction_columns import NO_CATEGORY, StoredColumn, stored_columns
from storage.sequence_store import BucketSequences

SOURCE = Path(__file__).parents[1] / "native" / "merge.cpp"

C_TYPES = {"int16": "int16_t", "int32": "int32_t", "int64": "int64_t", "float32": "float"}
KERNEL_READS = ("item_row", "request_group", "started", "timestamp", "arrival")
"""The columns that merge.cpp knows by name; of the others it knows the rule."""


@dataclass(frozen=True)
class NewEvents:
    """Events of some users, in runs in which the users' hashes ascend, such as a run for each day.

    Attributes:
        user_ids: (n,) strings or int64.
        hashes: (n,) uint64 of the users.
        columns: (n,) arrays by their names, as `BucketSequences` has them; `arrival` orders all events of a user.
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
    before: BucketSequences,
    events: NewEvents,
    gap: timedelta,
    categories: Mapping[str, Sequence[str]],
    declared: DeclaredColumns,
) -> BucketSequences:
    """The sequences `before` with `events` folded in.

    The same result comes from all events at once as from any split of them into parts, folded in any order.

    Args:
        gap: Actions of one request on one item that lie further apart are two interactions.
        categories: Names of each column of codes; of several in one interaction the first in the alphabet is kept.
        declared: The columns of `before` and `events` that the profile declares.

    Raises:
        ValueError: two users have the same hash.
    """
    columns = stored_columns(declared)
    merged = _native if native.compiles(SOURCE, kernel_columns(columns)) else _polars
    return merged(before, events, gap // timedelta(milliseconds=1), columns, ranks(categories))


def kernel_columns(columns: Sequence[StoredColumn]) -> str:
    """The macro that tells merge.cpp its columns; it calls most by their place, so that few kernels serve all names."""

    def called(place: int, column: StoredColumn) -> str:
        return column.name if column.name in KERNEL_READS else f"column_{place}"

    return "COLUMNS(C)=" + " ".join(
        f"C({C_TYPES[column.dtype.name]},{called(place, column)},{column.fold})"
        for place, column in _widest_first(columns)
    )


def ranks(categories: Mapping[str, Sequence[str]]) -> dict[str, np.ndarray]:
    """(len,) int16 place of each name in the alphabet, by column."""
    return {
        column: np.argsort(np.argsort(np.array(names, dtype=object))).astype(np.int16)
        for column, names in categories.items()
    }


def _before(hashes: np.ndarray, slot: int) -> int:
    """How many of ascending `hashes` are of slots before `slot`."""
    return int(np.searchsorted(hashes, np.uint64(slot << (64 - SLOT_BITS)))) if slot < SLOTS else len(hashes)


def _widest_first(columns: Sequence[StoredColumn]) -> list[tuple[int, StoredColumn]]:
    """The columns and their places, in the order in which an interaction of them has the fewest gaps."""
    return sorted(enumerate(columns), key=lambda pair: -pair[1].dtype.itemsize)


def _native(
    before: BucketSequences,
    events: NewEvents,
    gap: int,
    columns: Sequence[StoredColumn],
    ranks: Mapping[str, np.ndarray],
) -> BucketSequences:
    most = int(before.offsets[-1]) + len(events)
    users = len(before) + len(events)
    old_hashes = user_hashes(before.user_ids)
    old = {column.name: np.ascontiguousarray(before.columns[column.name], column.dtype) for column in columns}
    new = {column.name: np.ascontiguousarray(events.columns[column.name], column.dtype) for column in columns}
    out = {column.name: np.empty(most, column.dtype) for column in columns}
    hashes, offsets = np.empty(users, np.uint64), np.empty(users + 1, np.int64)
    from_before, from_event = np.empty(users, np.int64), np.empty(users, np.int64)
    merge = native.kernel(SOURCE, kernel_columns(columns)).merge_sequences
    merge.restype = ctypes.c_int64
    in_order = [column.name for _, column in _widest_first(columns)]
    count = merge(
        ctypes.c_int64(gap),
        _pointers(ranks, in_order),
        ctypes.c_int64(len(before)),
        _pointer(old_hashes),
        _pointer(np.ascontiguousarray(before.offsets)),
        _pointers(old, in_order),
        ctypes.c_int64(len(events.starts)),
        _pointer(np.ascontiguousarray(events.starts)),
        _pointer(np.ascontiguousarray(events.ends)),
        _pointer(np.ascontiguousarray(events.hashes)),
        _pointers(new, in_order),
        _pointers(out, in_order),
        *map(_pointer, (hashes, offsets, from_before, from_event)),
    )
    ids = _ids(before.user_ids, events.user_ids, from_before[:count], from_event[:count])
    _require_distinct(events, ids, hashes[:count])
    end = offsets[count]
    return BucketSequences(ids, offsets[: count + 1], {name: array[:end] for name, array in out.items()})


def _polars(
    before: BucketSequences,
    events: NewEvents,
    gap: int,
    columns: Sequence[StoredColumn],
    ranks: Mapping[str, np.ndarray],
) -> BucketSequences:
    """The same by library calls: where there is no compiler, and what the kernel is tested against."""
    old = pl.DataFrame({column.name: before.columns[column.name] for column in columns}).with_columns(
        before.user_ids.gather(pl.Series(np.repeat(np.arange(len(before)), before.lengths))).alias(USER_ID),
        pl.Series("_hash", np.repeat(user_hashes(before.user_ids), before.lengths)),
    )
    every = pl.DataFrame(events.columns).with_columns(events.user_ids.alias(USER_ID), pl.Series("_hash", events.hashes))
    new = every.select(pl.all().gather(pl.Series(events.positions)))
    key = ("_hash", USER_ID, "item_row", "request_group")
    apart = pl.col("started") - pl.col("timestamp").cum_max().shift(1).over(key) > gap
    rows = (
        pl.concat([old, new.select(old.columns)])
        .sort("started")
        .with_columns(apart.fill_null(False).cum_sum().over(key).alias("_group"))
        .group_by(*key, "_group")
        .agg(*(_folded(column, ranks) for column in columns if column.fold != "Key"))
        .with_columns(_code(column.name, ranks) for column in columns if column.is_category)
        .sort("_hash", USER_ID, "timestamp", "arrival")
    )
    users = rows.group_by("_hash", USER_ID, maintain_order=True).len()
    if users["_hash"].n_unique() < users.height:
        raise _clash(users.filter(pl.col("_hash").is_duplicated())[USER_ID])
    offsets = np.concatenate([[0], np.cumsum(users["len"].to_numpy())]).astype(np.int64)
    return BucketSequences(users[USER_ID], offsets, {column.name: rows[column.name].to_numpy() for column in columns})


def _folded(column: StoredColumn, ranks: Mapping[str, np.ndarray]) -> pl.Expr:
    """The rules of merge.cpp; of categories the rank of the name."""
    values = pl.col(column.name)
    match column.fold:
        case "Earliest":
            return values.min()
        case "Latest":
            return values.max()
        case "Union":
            return values.bitwise_or()
        case "Smallest":
            return values.fill_nan(None).min().fill_null(float("nan"))
        case "Largest":
            return values.fill_nan(None).max().fill_null(float("nan"))
        case "FirstName":
            places = ranks[column.name].tolist()
            return values.replace_strict(range(len(places)), places, default=None, return_dtype=pl.Int16).min()
    raise ValueError(f"{column.name} is part of the key: it is the same for all events of an interaction")


def _code(name: str, ranks: Mapping[str, np.ndarray]) -> pl.Expr:
    places = ranks[name].tolist()
    return pl.col(name).replace_strict(places, range(len(places)), default=NO_CATEGORY, return_dtype=pl.Int16)


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


def _pointers(arrays: Mapping[str, np.ndarray], names: Sequence[str]) -> ctypes.Array[ctypes.c_void_p]:
    """A struct of one pointer for each of `names`, null where there is no such array."""
    return (ctypes.c_void_p * len(names))(*(arrays[name].ctypes.data if name in arrays else None for name in names))


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
