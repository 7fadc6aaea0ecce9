"""Folding events into the sequences of a bucket of users.

What a user did with one item on one occasion (a request or, without one, a moment) is one interaction: the time of its
last action, all action bits, the largest value, the surface of the earliest event that names one. An event that comes
twice, or late, changes nothing that it should not: folding asks for maxima, minima and bits alone.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from assets.buckets import user_hashes
from assets.events.order import order_events
from models import native
from models.columns import USER_ID
from models.sequence_store import FIELDS, NO_SURFACE, BucketSequences

SOURCE = Path(__file__).parents[1] / "native" / "merge.cpp"


@dataclass(frozen=True)
class NewEvents:
    """Events of some users, in any order.

    Attributes:
        user_ids: (n,) strings or int64.
        columns: (n,) arrays under the names and in the types of `FIELDS`; `arrival` orders all events of a user.
    """

    user_ids: pl.Series
    columns: dict[str, np.ndarray]


def merge_sequences(before: BucketSequences, events: NewEvents) -> BucketSequences:
    """The sequences `before` with `events` folded in.

    The same result comes from all events at once as from any split of them into parts by arrival, folded in that order.

    Raises:
        ValueError: two users have the same hash.
    """
    hashes = user_hashes(events.user_ids)
    zero = np.zeros(len(hashes), np.uint8)
    order, _ = order_events(hashes, events.columns["arrival"], zero.astype(np.uint64), zero)
    if native.compiles(SOURCE):
        return _native(before, events, hashes, order)
    return _polars(before, events, hashes)


class _Columns(ctypes.Structure):
    """`Columns` of merge.cpp: one pointer for each of FIELDS, in their order."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in FIELDS)

    @classmethod
    def of(cls, arrays: Sequence[np.ndarray]) -> "_Columns":
        return cls(*(array.ctypes.data for array in arrays))


def _native(before: BucketSequences, events: NewEvents, hashes: np.ndarray, order: np.ndarray) -> BucketSequences:
    most = len(before.item_row) + len(hashes)
    users = len(before) + len(hashes)
    old_hashes = user_hashes(before.user_ids)
    old = [np.ascontiguousarray(getattr(before, name), dtype) for name, dtype in FIELDS.items()]
    new = [np.ascontiguousarray(events.columns[name], dtype) for name, dtype in FIELDS.items()]
    out = [np.empty(most, dtype) for dtype in FIELDS.values()]
    offsets, sources = np.empty(users + 1, np.int64), [np.empty(users, np.int64) for _ in range(3)]
    written = native.kernel(SOURCE).merge_sequences
    written.restype = ctypes.c_int64
    count = written(
        ctypes.c_int64(len(before)),
        _pointer(old_hashes),
        _pointer(np.ascontiguousarray(before.offsets)),
        ctypes.byref(_Columns.of(old)),
        ctypes.c_int64(len(hashes)),
        _pointer(hashes),
        _pointer(order),
        ctypes.byref(_Columns.of(new)),
        ctypes.byref(_Columns.of(out)),
        *map(_pointer, (sources[0], offsets, sources[1], sources[2])),
    )
    _, from_before, from_event = (source[:count] for source in sources)
    ids = _ids(before.user_ids, events.user_ids, from_before, from_event)
    _require_distinct(events.user_ids, hashes, order)
    end = offsets[count]
    return BucketSequences(ids, offsets[: count + 1], *(array[:end] for array in out))


def _polars(before: BucketSequences, events: NewEvents, hashes: np.ndarray) -> BucketSequences:
    """The same by library calls: where there is no compiler, and what the kernel is tested against."""
    old = pl.DataFrame({name: getattr(before, name) for name in FIELDS}).with_columns(
        before.user_ids.gather(pl.Series(np.repeat(np.arange(len(before)), before.lengths))).alias(USER_ID),
        pl.Series("hash", np.repeat(user_hashes(before.user_ids), before.lengths)),
    )
    new = pl.DataFrame(events.columns).with_columns(events.user_ids.alias(USER_ID), pl.Series("hash", hashes))
    surface = pl.col("surface").filter(pl.col("surface") != NO_SURFACE).first().fill_null(NO_SURFACE)
    rows = (
        pl.concat([old, new.select(old.columns)])
        .sort("arrival", maintain_order=True)
        .group_by("hash", USER_ID, "item_row", "occasion", maintain_order=True)
        .agg(
            pl.col("timestamp").max(),
            pl.col("actions").bitwise_or(),
            pl.col("value").fill_nan(None).max().fill_null(float("nan")),
            surface.cast(pl.Int16),
            pl.col("arrival").min(),
        )
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


def _require_distinct(user_ids: pl.Series, hashes: np.ndarray, order: np.ndarray) -> None:
    """Numbers are mixed one to one; only texts could share a hash."""
    if user_ids.dtype != pl.String or not len(order):
        return
    ordered = user_ids.gather(pl.Series(order))
    same = np.diff(hashes[order]) == 0
    clash = same & (ordered[1:] != ordered[:-1]).to_numpy()
    if clash.any():
        raise _clash(ordered[1:].filter(pl.Series(clash)))


def _clash(user_ids: pl.Series) -> ValueError:
    return ValueError(
        f"the users {', '.join(map(repr, user_ids.head(2)))} have the same 64-bit hash and would be taken for one: "
        "rename one of them in the source"
    )


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    return array.ctypes.data_as(ctypes.c_void_p)
