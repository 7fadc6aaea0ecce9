"""Bringing the sequences up to date with the events, bucket by bucket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from assets.buckets import slot_edges
from assets.engine import Engine
from assets.sequences.changes import Changes, changes_since, everything
from assets.sequences.encode import NEEDED, Encoding, extended_categories
from assets.sequences.item_rows import extend_item_rows
from assets.sequences.merge import NewEvents, merge_sequences
from models.columns import ACTION, ACTIONS, BUCKET, DAY, HASH_SLOT, SURFACE, USER_ID
from models.declared import NO_COLUMNS, DeclaredColumns
from storage.interaction_columns import stored_columns
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ID_DTYPES, IdType, with_declared
from storage.sequence_ledger import LEDGER_SCHEMA, REQUEST_GAP_MS, Built, read_ledger, state_of
from storage.sequence_store import (
    BUCKETS_FOLDER,
    DECLARED,
    FILE,
    SEQUENCES_TABLE,
    SURFACE_NAMES,
    BucketSequences,
    read_bucket,
    told_declared,
    write_bucket,
)
from storage.staged_files import Staging, writing

FEWEST_BUCKETS = 8
BUCKETS_IN_MEMORY = 4
"""A bucket's share of the rows in memory; what is read for it is as much again."""


@dataclass(frozen=True)
class Bucket:
    """One bucket to be written: the users of the slots from `first_slot` up to `end_slot`.

    Attributes:
        before: File of the sequences that events are folded into; None where they are rebuilt.
    """

    number: int
    first_slot: int
    end_slot: int
    before: str | None


@dataclass(frozen=True)
class Update:
    """What is the same for all buckets that one run writes.

    Attributes:
        token: Of the run.
        events_version: The version of the events that is read.
    """

    lake: Lake
    token: str
    events_version: int
    encoding: Encoding
    id_type: IdType
    request_gap: timedelta


@dataclass(frozen=True)
class BucketTask:
    """Neighbouring buckets and the events that go into them.

    Attributes:
        days: The days whose events are read; None for all.
    """

    update: Update
    buckets: Sequence[Bucket]
    days: Sequence[date] | None


def bring_up_to_date(
    lake: Lake,
    staging: Staging,
    engine: Engine,
    actions: Sequence[str],
    id_type: IdType,
    request_gap: timedelta,
    declared: DeclaredColumns = NO_COLUMNS,
    *,
    rows_in_memory: int,
    buckets: int | None = None,
) -> pl.DataFrame:
    """Folds new days into the sequences and rebuilds those users whose earlier days changed.

    The same events give the same bytes, whether days come one by one, together or again.

    Args:
        actions: The declared action vocabulary; an action's position is its bit in the version that is written.
        request_gap: Actions of one request on one item that lie further apart are two interactions.
        declared: The columns that the profile declares; where they change, all sequences are rebuilt.
        rows_in_memory: About how many rows may be held at once.
        buckets: How many files there are; None: as many as keep one within the rows in memory.

    Returns:
        The ledger (`storage.sequence_ledger`) of the newest version.

    Raises:
        ValueError: the events hold an action that is not declared; nothing was written.
    """
    version = lake.version(EVENTS_TABLE)
    count = buckets or buckets_for(_rows(lake, version), rows_in_memory)
    ledger = read_ledger(lake)
    before = state_of(ledger)
    same = before is not None and before.made_like(count, actions, request_gap, declared)
    changes = changes_since(lake, before.events_version, version) if same and before else everything()
    if changes.nothing:
        return ledger
    fresh = with_declared(lake.scan(EVENTS_TABLE, version), declared)
    if same and not changes.rebuilt_slots.any():
        fresh = fresh.filter(pl.col(DAY).is_in(list(changes.appended)))
    _refuse_undeclared(fresh, actions)
    encoding = Encoding(
        extend_item_rows(lake, fresh),
        actions,
        declared,
        extended_categories(before.categories if before else {}, fresh, declared),
    )
    update = Update(lake, staging.token, version, encoding, id_type, request_gap)
    tasks = _tasks(update, ledger, count, changes, engine.workers, rows_in_memory)
    built = [one for several in engine.map(build_buckets, tasks) for one in several]
    return _commit(update, ledger, built, count)


def buckets_for(events: int, rows_in_memory: int) -> int:
    """The smallest power of two that keeps a bucket's events within its share of the rows in memory."""
    share = max(1, rows_in_memory // BUCKETS_IN_MEMORY)
    return min(4096, max(FEWEST_BUCKETS, 1 << max(0, (events - 1) // share).bit_length()))


def build_buckets(task: BucketTask) -> list[Built]:
    """Writes the buckets of a task as files that no ledger names yet."""
    update, first, end = task.update, task.buckets[0].first_slot, task.buckets[-1].end_slot
    declared = update.encoding.declared
    rows = with_declared(update.lake.scan(EVENTS_TABLE, update.events_version), declared).select(*NEEDED, *declared)
    if task.days is not None:
        rows = rows.filter(pl.col(DAY).is_in(list(task.days)))
    within = pl.col(HASH_SLOT).is_between(first, end, closed="left")
    events = update.encoding.encode(rows.filter(within).collect(engine="streaming"))
    with Staging(update.lake, update.token) as staging:
        return [
            _build(staging, update, bucket, events.of_slots(bucket.first_slot, bucket.end_slot))
            for bucket in task.buckets
        ]


def _build(staging: Staging, update: Update, bucket: Bucket, events: NewEvents) -> Built:
    lake = update.lake
    encoding = update.encoding
    users = pl.Series(USER_ID, [], dtype=ID_DTYPES[update.id_type])
    before = BucketSequences.empty(users, stored_columns(encoding.declared))
    if bucket.before is not None:
        before = read_bucket(f"{lake.root.rstrip('/')}/{BUCKETS_FOLDER}/{bucket.before}", lake.options)
    merged = merge_sequences(before, events, update.request_gap, encoding.categories, encoding.declared)
    name = staging.name(bucket.number, "arrow")
    with writing(f"{BUCKETS_FOLDER}/{name}"), lake.output(f"{BUCKETS_FOLDER}/{name}") as sink:
        write_bucket(merged, sink)
    return Built.of(bucket.number, name, merged)


def _refuse_undeclared(events: pl.LazyFrame, actions: Sequence[str]) -> None:
    """An action that was taken out of the vocabulary has no bit, but what was done was done."""
    days = events.group_by(ACTION).agg(pl.col(DAY).min(), pl.col(DAY).max().alias("last")).sort(DAY, ACTION)
    strange = days.filter(~pl.col(ACTION).is_in(list(actions))).collect(engine="streaming")
    for action, first, last in strange.head(1).iter_rows():
        raise ValueError(
            f"the table 'events' holds the action {action!r} (from {first} to {last}), but quality.actions are "
            f"{', '.join(actions)}: put it back, or materialize `events` of all days without it"
        )


def _tasks(
    update: Update, ledger: pl.DataFrame, count: int, changes: Changes, workers: int, rows_in_memory: int
) -> list[BucketTask]:
    """What is to be done: users rebuilt from all days, and others that the new days are folded into."""
    edges = slot_edges(count)
    files = dict(ledger.select(BUCKET, FILE).iter_rows())
    anew, grown = [], []
    for number, (first, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if changes.rebuilt_slots[first:end].any():
            anew.append(Bucket(number, first, end, None))
        elif changes.appended:
            grown.append(Bucket(number, first, end, files[number]))
    tasks: list[BucketTask] = []
    for buckets, days in ((anew, None), (grown, changes.appended)):
        rows_of_one = max(1, _rows(update.lake, update.events_version, days)) / count
        # So few that their events fit a worker's share of memory, and that all workers have work.
        most = max(1, min(int(rows_in_memory / workers / rows_of_one), -(-len(buckets) // workers)))
        tasks += [BucketTask(update, several, days) for several in _neighbours(buckets, most)]
    return tasks


def _neighbours(buckets: Sequence[Bucket], most: int) -> Iterator[list[Bucket]]:
    """Runs of at most `most` buckets without a gap between them."""
    run: list[Bucket] = []
    for bucket in buckets:
        if run and (len(run) == most or run[-1].end_slot != bucket.first_slot):
            yield run
            run = []
        run.append(bucket)
    if run:
        yield run


def _rows(lake: Lake, version: int, days: Sequence[date] | None = None) -> int:
    files = lake.files(EVENTS_TABLE, version)
    if days is not None:
        files = files.filter(pl.col(f"partition.{DAY}").is_in(list(days)))
    return int(files["num_records"].sum())


def _commit(update: Update, ledger: pl.DataFrame, built: Sequence[Built], count: int) -> pl.DataFrame:
    rows = {row[BUCKET]: row for row in ledger.iter_rows(named=True) if row[BUCKET] < count} | {
        one.bucket: one.row() for one in built
    }
    state = {
        "events_version": update.events_version,
        REQUEST_GAP_MS: update.request_gap // timedelta(milliseconds=1),
        ACTIONS: list(update.encoding.actions),
        SURFACE_NAMES: list(update.encoding.categories[SURFACE]),
        DECLARED: told_declared(update.encoding.declared, update.encoding.categories),
    }
    fresh = pl.DataFrame([row | state for _, row in sorted(rows.items())], schema=LEDGER_SCHEMA)
    update.lake.overwrite(SEQUENCES_TABLE, fresh)
    return fresh
