"""Small files of a day joined into one, in the order in which the table has its rows."""

from collections.abc import Iterator, Mapping

import polars as pl
from deltalake.exceptions import CommitFailedError

from storage.commit import Commit
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.sequence_ledger import carry_over, read_ledger, state_of
from storage.staged_files import Staging
from storage.table_files import PATH, part_of, partition_of, read_file

RECORDS = "num_records"


def compact(lake: Lake, tables: list[str], rows_per_file: int) -> Mapping[str, tuple[int, int]]:
    """Joins the files of each partition up to about `rows_per_file` rows; returns files before and after by table.

    Rows keep their order, so `events` stay sorted, which delta-rs' own compaction does not promise. Sequences that were
    up to date stay so. A table that another writer changes meanwhile is left as it is.
    """
    joined = {}
    for table in tables:
        with Staging(lake) as staging:
            before, version = lake.files(table).height, lake.version(table)
            try:
                now = _compact(lake, staging, table, version, rows_per_file)
            except CommitFailedError:
                continue
            if now != version:
                joined[table] = (before, lake.files(table).height)
            if table == EVENTS_TABLE and now != version:
                _follow(lake, version, now)
    return joined


def _compact(lake: Lake, staging: Staging, table: str, version: int, rows_per_file: int) -> int:
    files = lake.files(table, version)
    partitions = [name for name in files.columns if name.startswith("partition.")]
    like = lake.scan(table, version).head(0).collect()
    gone, staged = [], []
    for group in files.sort(*partitions, PATH).partition_by(partitions) if partitions else [files.sort(PATH)]:
        for several in _neighbours(group, rows_per_file):
            paths = several[PATH].to_list()
            rows = pl.concat([read_file(lake, table, path, like) for path in paths]).collect()
            staged.append(staging.write(table, rows, partition_of(paths[0]), part_of(paths[0])))
            gone += paths
    if not gone:
        return version
    log = lake.delta(table, version)
    return Commit(staged, like, log.metadata().partition_columns).append(log, gone)


def _neighbours(files: pl.DataFrame, rows_per_file: int) -> Iterator[pl.DataFrame]:
    """Runs of two or more files that hold no more than `rows_per_file` rows together."""
    run: list[int] = []
    for place, rows in enumerate(files[RECORDS]):
        if run and files[RECORDS].gather(run).sum() + rows > rows_per_file:
            if len(run) > 1:
                yield files[run]
            run = []
        run.append(place)
    if len(run) > 1:
        yield files[run]


def _follow(lake: Lake, before: int, now: int) -> None:
    state = state_of(read_ledger(lake))
    if state is not None and state.events_version == before:
        carry_over(lake, before, now)
