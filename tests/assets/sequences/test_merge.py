"""The kernel folds as library calls do, and without a compiler nothing changes but the time."""

import os
import random
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.buckets import SLOTS
from assets.sequences import merge
from assets.sequences.merge import NewEvents, kernel_columns, merge_sequences, ranks
from models import native
from models.columns import USER_ID
from models.declared import DeclaredColumn
from storage.interaction_columns import stored_columns
from storage.sequence_store import BucketSequences, read_bucket, write_bucket

DECLARED = {
    "tab": DeclaredColumn(known="request", type="category"),
    "class": DeclaredColumn(known="outcome", type="category"),
    "position": DeclaredColumn(known="request", type="number"),
    "play_ms": DeclaredColumn(known="outcome", type="number"),
}
COLUMNS = stored_columns(DECLARED)
MACROS = kernel_columns(COLUMNS)
NAMES = {"surface": ("home", "away", "search"), "tab": ("b", "a", "c", "é"), "class": ("z", "a")}


def drawn(seed: int, rows: int, day: int, *, texts: bool) -> NewEvents:
    """Events of a dozen users on few items and requests, in up to three ascending runs."""
    draw = np.random.default_rng((seed, day))
    numbers = draw.integers(0, 12, rows)
    users = (
        pl.Series(USER_ID, [f"user {n}" for n in numbers], pl.String)
        if texts
        else pl.Series(USER_ID, numbers, pl.Int64)
    )
    columns: dict[str, np.ndarray] = {
        "item_row": draw.integers(1, 5, rows).astype(np.int32),
        "started": (times := draw.integers(0, 50, rows) + 30 * day),
        "timestamp": times,
        "actions": (1 << draw.integers(0, 5, rows)).astype(np.int32),
        "value": np.where(draw.random(rows) < 0.5, np.nan, draw.random(rows)).astype(np.float32),
        "request_group": draw.integers(0, 4, rows),
        "arrival": (day << 40) + draw.permutation(rows),
        "position": np.where(draw.random(rows) < 0.5, np.nan, draw.integers(-3, 3, rows)).astype(np.float32),
        "play_ms": np.where(draw.random(rows) < 0.5, np.nan, draw.integers(0, 9, rows)).astype(np.float32),
    }
    for column, names in NAMES.items():
        columns[column] = draw.integers(-1, len(names), rows).astype(np.int16)
    runs = draw.integers(0, 3, rows)
    place = np.lexsort((NewEvents.of(users, columns).hashes, runs))
    return NewEvents.of(users.gather(pl.Series(place)), {name: array[place] for name, array in columns.items()})


def same(one: BucketSequences, other: BucketSequences) -> bool:
    return (
        one.user_ids.equals(other.user_ids)
        and list(one.columns) == list(other.columns)
        and all(
            np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
            for a, b in zip((one.offsets, *one.columns.values()), (other.offsets, *other.columns.values()), strict=True)
        )
    )


def fold(before: BucketSequences, events: NewEvents, gap: int = 10) -> BucketSequences:
    return merge_sequences(before, events, timedelta(milliseconds=gap), NAMES, DECLARED)


def nobody(events: NewEvents) -> BucketSequences:
    return BucketSequences.empty(events.user_ids, COLUMNS)


EVENTS = st.builds(
    lambda seed, rows, texts: [drawn(seed, n, day, texts=texts) for day, n in enumerate(rows)],
    st.integers(0, 10**6),
    st.lists(st.integers(0, 60), min_size=2, max_size=4),
    st.booleans(),
)
GAPS = st.integers(0, 20)


@pytest.mark.skipif(not native.compiles(merge.SOURCE, MACROS), reason="there is no C++ compiler")
@settings(max_examples=100, deadline=None)
@given(EVENTS, GAPS)
def test_the_kernel_folds_as_library_calls_do(days: list[NewEvents], gap: int) -> None:
    by_kernel = by_library = nobody(days[0])
    for events in days:
        by_kernel = merge._native(by_kernel, events, gap, COLUMNS, ranks(NAMES))
        by_library = merge._polars(by_library, events, gap, COLUMNS, ranks(NAMES))
        assert same(by_kernel, by_library)


@settings(max_examples=100, deadline=None)
@given(EVENTS, GAPS, st.randoms(use_true_random=False))
def test_parts_can_be_folded_in_any_order(days: list[NewEvents], gap: int, shuffled: random.Random) -> None:
    users = pl.concat([events.user_ids for events in days])
    columns = {name: np.concatenate([events.columns[name] for events in days]) for name in days[0].columns}
    at_once = fold(nobody(days[0]), NewEvents.of(users, columns), gap)
    shuffled.shuffle(days)
    one_by_one = nobody(days[0])
    for events in days:
        one_by_one = fold(one_by_one, events, gap)
    assert same(one_by_one, at_once)


@settings(max_examples=100, deadline=None)
@given(EVENTS, st.integers(0, SLOTS))
def test_users_can_be_folded_in_ranges_of_slots(days: list[NewEvents], cut: int) -> None:
    for events in days:
        whole = fold(nobody(events), events)
        parts = [fold(nobody(events), events.of_slots(first, end)) for first, end in ((0, cut), (cut, SLOTS))]
        assert sum(map(len, parts)) == len(whole)
        assert pl.concat([part.user_ids for part in parts]).equals(whole.user_ids)
        assert np.array_equal(np.concatenate([part.columns["item_row"] for part in parts]), whole.columns["item_row"])


def test_two_users_of_one_hash_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "user_hashes", lambda ids: np.full(len(ids), 7, np.uint64))
    columns = {column.name: np.zeros(2, column.dtype) for column in COLUMNS}
    clash = NewEvents.of(pl.Series(USER_ID, ["ann", "bob"]), columns)
    for merged in (merge._native, merge._polars) if native.compiles(merge.SOURCE, MACROS) else (merge._polars,):
        with pytest.raises(ValueError, match=r"'ann', 'bob' have the same 64-bit hash"):
            merged(nobody(clash), clash, 0, COLUMNS, ranks(NAMES))


@settings(max_examples=30, deadline=None)
@given(EVENTS)
def test_a_file_holds_what_was_written(tmp_path_factory: pytest.TempPathFactory, days: list[NewEvents]) -> None:
    folder = tmp_path_factory.mktemp("buckets")
    sequences = fold(nobody(days[0]), days[0])
    for name in ("one", "two"):
        write_bucket(sequences, str(folder / name))
    assert same(read_bucket(str(folder / "one")), sequences)
    assert (folder / "one").read_bytes() == (folder / "two").read_bytes()


def test_without_a_compiler_libraries_do_the_same(tmp_path: Path) -> None:
    code = (
        "import warnings; warnings.simplefilter('ignore');"
        "import sys; from assets.events import order; from tests.assets.sequences.test_merge import *;"
        "assert not native.compiles(merge.SOURCE, MACROS) and not native.compiles(order.SOURCE);"
        "found = fold(nobody(drawn(3, 500, 0, texts=True)), drawn(3, 500, 0, texts=True));"
        "write_bucket(found, sys.argv[1])"
    )
    environment = {**os.environ, "CXX": "no-such-compiler", native.CACHE_VARIABLE: str(tmp_path)}
    path = str(tmp_path / "bucket.arrow")
    subprocess.run([sys.executable, "-c", code, path], env=environment, check=True)
    events = drawn(3, 500, 0, texts=True)
    assert same(read_bucket(path), fold(nobody(events), events))
