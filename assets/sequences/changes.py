"""Which days of events came or changed since the sequences were last brought up to date."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from deltalake.exceptions import DeltaError

from assets.buckets import SLOTS
from models.columns import DAY, HASH_SLOT
from storage.lake import Lake
from storage.schema import EVENTS_TABLE

Files = dict[date, frozenset[str]]


@dataclass(frozen=True)
class Changes:
    """What happened to the events between two versions of their table.

    Attributes:
        appended: Days after all that were there, ascending: their events are folded into the sequences.
        rebuilt_slots: (SLOTS,) bool: users whose earlier events changed, whose sequences are rebuilt.
    """

    appended: Sequence[date]
    rebuilt_slots: np.ndarray

    @property
    def nothing(self) -> bool:
        return not self.appended and not self.rebuilt_slots.any()


def changes_since(lake: Lake, before: int, now: int) -> Changes:
    """Compares two versions of the events, by their files and, for days that changed, by their users."""
    try:
        old = _files(lake, before)
        new = _files(lake, now)
        appended = sorted(day for day in new if not old or day > max(old))
        changed = [day for day in old.keys() | new.keys() if day not in appended and old.get(day) != new.get(day)]
        return Changes(appended, _slots(lake, before, changed) | _slots(lake, now, changed))
    except (DeltaError, FileNotFoundError):
        # Retention has removed what was there: nothing tells whose events it held.
        return everything()


def everything() -> Changes:
    """All users are rebuilt."""
    return Changes([], np.ones(SLOTS, bool))


def _files(lake: Lake, version: int) -> Files:
    files = lake.files(EVENTS_TABLE, version)
    days = files.group_by(f"partition.{DAY}").agg("path")
    return {day: frozenset(paths) for day, paths in days.iter_rows()}


def _slots(lake: Lake, version: int, days: Sequence[date]) -> np.ndarray:
    there = np.zeros(SLOTS, bool)
    if days:
        slots = (
            lake.scan(EVENTS_TABLE, version).filter(pl.col(DAY).is_in(list(days))).select(pl.col(HASH_SLOT).unique())
        )
        there[slots.collect(engine="streaming")[HASH_SLOT].to_numpy()] = True
    return there
