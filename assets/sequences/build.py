"""Bringing the sequences up to date with the events, bucket by bucket."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from assets.buckets import slot_edges
from assets.engine import Engine
from assets.lake import Lake
from assets.schema import EVENTS_TABLE, ID_DTYPES, IdType
from assets.sequences.changes import Changes, changes_since, everything
from assets.sequences.encode import NEEDED, Encoding, extended_surfaces
from assets.sequences.item_rows import extend_item_rows
from assets.sequences.ledger import LEDGER_SCHEMA, Built, read_ledger, state_of
from assets.sequences.merge import NewEvents, merge_sequences
from assets.staging import Staging
from models.columns import BUCKET, DAY, SLOT, USER_ID
from models.sequence_store import BUCKETS_FOLDER, FILE, SEQUENCES_TABLE, BucketSequences, read_bucket, write_bucket

FEWEST_BUCKETS = 8
BUCKETS_IN_MEMORY = 4
"""A bucket's share of the rows in memory; what is read for it is as much again."""


@dataclass(frozen=True)
class Bucket:
    """One bucket to be written: the users of the slots from `first_slot` up to `end_slot`.

    Attributes:
        before: File of the sequences that events are folded into; None where they are made anew.
    """

    number: int
    first_slot: int
    end_slot: int
    before: str | None


@dataclass(frozen=True)
class BucketTask:
    """Neighbouring buckets and the events that go into them.

    Attributes:
        days: The days whose events are read; None for all.
    """

    lake: Lake
    token: str
    buckets: Sequence[Bucket]
    events_version: int
    days: Sequence[date] | None
    encoding: Encoding
    id_type: IdType


def bring_up_to_date(
    lake: Lake,
    staging: Staging,
    engine: Engine,
    actions: Sequence[str],
    id_type: IdType,
    *,
    rows_in_memory: int,
    buckets: int | None = None,
) -> pl.DataFrame:
    """Folds new days into the sequences and makes those users anew whose earlier days changed.

    The same events give the same bytes, whether days come one by one, together or again.

    Args:
        actions: The declared action vocabulary; an action's position is its bit.
        rows_in_memory: About how many rows may be held at once.
        buckets: How many files there are; None: as many as keep one within the rows in memory.

    Returns:
        The ledger (`assets.sequences.ledger`) of the newest version.
    """
    version = lake.version(EVENTS_TABLE)
    count = buckets or buckets_for(_rows(lake, version), rows_in_memory)
    ledger = read_ledger(lake)
    before = state_of(ledger)
    same = before is not None and before.buckets == count and before.actions == list(actions)
    changes = changes_since(lake, before.events_version, version) if same and before else everything(lake, version)
    if changes.nothing:
        return ledger
    fresh = lake.scan(EVENTS_TABLE, version)
    if same and not changes.rebuilt_slots.any():
        fresh = fresh.filter(pl.col(DAY).is_in(list(changes.appended)))
    encoding = Encoding(
        extend_item_rows(lake, fresh, id_type),
        actions,
        extended_surfaces(before.surfaces if before else [], fresh),
    )
    tasks = _tasks(lake, staging.token, ledger, count, version, changes, encoding, id_type, engine, rows_in_memory)
    built = [one for several in engine.map(build_buckets, tasks) for one in several]
    return _commit(lake, ledger, built, encoding, version, count)


def buckets_for(events: int, rows_in_memory: int) -> int:
    """The smallest power of two that keeps a bucket's events within its share of the rows in memory."""
    share = max(1, rows_in_memory // BUCKETS_IN_MEMORY)
    return min(4096, max(FEWEST_BUCKETS, 1 << max(0, (events - 1) // share).bit_length()))


def build_buckets(task: BucketTask) -> list[Built]:
    """Writes the buckets of a task as files that no ledger names yet."""
    first, end = task.buckets[0].first_slot, task.buckets[-1].end_slot
    rows = task.lake.scan(EVENTS_TABLE, task.events_version).select(NEEDED)
    if task.days is not None:
        rows = rows.filter(pl.col(DAY).is_in(list(task.days)))
    within = pl.col(SLOT).is_between(first, end, closed="left")
    events = task.encoding.encode(rows.filter(within).collect(engine="streaming"))
    with Staging(task.lake, task.token) as staging:
        return [
            _build(staging, task, bucket, events.of_slots(bucket.first_slot, bucket.end_slot))
            for bucket in task.buckets
        ]


def _build(staging: Staging, task: BucketTask, bucket: Bucket, events: NewEvents) -> Built:
    lake = task.lake
    nobody = pl.Series(USER_ID, [], dtype=ID_DTYPES[task.id_type])
    before = BucketSequences.empty(nobody)
    if bucket.before is not None:
        before = read_bucket(f"{lake.root.rstrip('/')}/{BUCKETS_FOLDER}/{bucket.before}", lake.options)
    merged = merge_sequences(before, events)
    name = staging.name(bucket.number, "arrow")
    with lake.output(f"{BUCKETS_FOLDER}/{name}") as sink:
        write_bucket(merged, sink)
    return Built.of(bucket.number, name, merged)


def _tasks(
    lake: Lake,
    token: str,
    ledger: pl.DataFrame,
    count: int,
    version: int,
    changes: Changes,
    encoding: Encoding,
    id_type: IdType,
    engine: Engine,
    rows_in_memory: int,
) -> list[BucketTask]:
    edges = slot_edges(count)
    files = dict(ledger.select(BUCKET, FILE).iter_rows())
    anew, grown = [], []
    for number, (first, end) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        if changes.rebuilt_slots[first:end].any():
            anew.append(Bucket(number, first, end, None))
        elif changes.appended:
            grown.append(Bucket(number, first, end, files[number]))
    work = [(anew, None), (grown, changes.appended)]
    share = rows_in_memory // engine.workers
    return [
        BucketTask(lake, token, several, version, days, encoding, id_type)
        for buckets, days in work
        if buckets
        for several in _neighbours(buckets, _per_task(len(buckets), _rows(lake, version, days), count, share, engine))
    ]


def _per_task(buckets: int, rows: int, count: int, share: int, engine: Engine) -> int:
    """How many buckets a task takes: so few that their events fit its share of memory and all workers have work."""
    fitting = max(1, int(share * count / max(1, rows)))
    return min(fitting, max(1, -(-buckets // engine.workers)))


def _neighbours(buckets: Sequence[Bucket], most: int) -> Iterator[list[Bucket]]:
    """Runs of at most `most` buckets without a gap between them."""
    run: list[Bucket] = []
    for bucket in buckets:
        if run and (len(run) == most or run[-1].end_slot != bucket.first_slot):
            yield run
            run = []
        run.append(bucket)
    yield run


def _rows(lake: Lake, version: int, days: Sequence[date] | None = None) -> int:
    files = lake.files(EVENTS_TABLE, version)
    if days is not None:
        files = files.filter(pl.col(f"partition.{DAY}").is_in(list(days)))
    return int(files["num_records"].sum())


def _commit(
    lake: Lake, ledger: pl.DataFrame, built: Sequence[Built], encoding: Encoding, version: int, count: int
) -> pl.DataFrame:
    rows = {row[BUCKET]: row for row in ledger.iter_rows(named=True) if row[BUCKET] < count} | {
        one.bucket: one.row() for one in built
    }
    state = {
        "events_version": version,
        "actions": list(encoding.actions),
        "surface_names": list(encoding.surfaces),
    }
    fresh = pl.DataFrame([row | state for _, row in sorted(rows.items())], schema=LEDGER_SCHEMA)
    lake.overwrite(SEQUENCES_TABLE, fresh)
    return fresh
