"""Rows taken out of a table, file by file, and out of the files of its earlier versions, too."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from storage.commit import Commit, StagedFile
from storage.lake import Lake
from storage.literal_paths import scan_parquet
from storage.staged_files import Staging
from storage.table_files import PATH, part_of, partition_of, read_file

ROWS = "rows"


@dataclass(frozen=True)
class Removed:
    """Rows that were taken out of the newest version of a table.

    Attributes:
        partitions: Values of the partition columns, as text, and `rows` of each partition that lost some.
        files: Files that held such rows, those of earlier versions included, and are gone.
    """

    partitions: pl.DataFrame
    files: int

    @property
    def rows(self) -> int:
        return int(self.partitions[ROWS].sum()) if self.partitions.width else 0


def remove_rows(lake: Lake, staging: Staging, table: str, theirs: pl.Expr) -> Removed:
    """Takes the rows for which `theirs` is true out of all versions of `table`.

    Files that hold such rows are written again without them, in their order, and replaced in one commit; then they are
    deleted, so earlier versions that named them can no longer be read. All other files stay as they are.
    """
    if not lake.exists(table):
        return Removed(pl.DataFrame(), 0)
    folder = Path(lake.uri(table))
    holding = _holding(folder, theirs)
    version = lake.version(table)
    live = lake.files(table, version).filter(pl.col(PATH).is_in(list(holding)))
    if live.height:
        like = lake.scan(table, version).head(0).collect()
        files = [file for path in live[PATH] for file in _without(lake, staging, table, path, like, theirs)]
        log = lake.delta(table, version)
        Commit(files, like, log.metadata().partition_columns).append(log, live[PATH].to_list())
    for path in holding:
        (folder / path).unlink()
    counts = pl.DataFrame({PATH: list(holding), ROWS: list(holding.values())}, schema={PATH: pl.String, ROWS: pl.Int64})
    partitions = [name for name in live.columns if name.startswith("partition.")]
    lost = live.join(counts, on=PATH).group_by(partitions or pl.lit("").alias("table")).agg(pl.col(ROWS).sum())
    return Removed(lost.rename({name: name.removeprefix("partition.") for name in partitions}), len(holding))


def _holding(folder: Path, theirs: pl.Expr) -> dict[str, int]:
    """Every data file that holds such rows, of whatever version, and how many."""
    files = sorted(path for path in folder.rglob("*.parquet") if "_delta_log" not in path.parts)
    if not files:
        return {}
    # Files of earlier versions of this program may have fewer columns.
    rows = scan_parquet(files, include_file_paths=PATH, missing_columns="insert", extra_columns="ignore")
    found = rows.filter(theirs).group_by(PATH).agg(pl.len().alias(ROWS)).collect(engine="streaming")
    return {str(Path(path).relative_to(folder)): rows for path, rows in found.sort(PATH).iter_rows()}


def _without(
    lake: Lake, staging: Staging, table: str, path: str, like: pl.DataFrame, theirs: pl.Expr
) -> Sequence[StagedFile]:
    """One file without such rows, under a name of the same place among the day's files; none where no row is left."""
    rows = read_file(lake, table, path, like).filter(~theirs).collect()
    return [staging.write(table, rows, partition_of(path), part_of(path))] if rows.height else []
