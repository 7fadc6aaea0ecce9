"""A person taken out of everything that the lake keeps.

Each step can be done again: one that was killed is finished by the next run. Who was forgotten is put on record first,
as a salted hash, so that nothing that runs later brings them back.
"""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from assets.batches import batches
from assets.privacy.person import Person
from assets.privacy.proof import names
from assets.privacy.remove_from_sequences import remove_from_buckets
from assets.privacy.remove_rows import Removed, remove_rows
from assets.privacy.suppressions import suppress
from assets.sources.damage import damage_explained
from assets.sources.ledger import LEDGERS
from assets.sources.source import LandedFile, Source
from assets.validation.data_docs import DATA_DOCS
from assets.versions import DATASETS, RANKING_SETS, RUNS, SWEEPS
from models.columns import DAY, MALFORMED, SOURCE_FILE, SOURCE_ROW, USER_ID
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, LANDED_SCHEMA
from storage.sequence_ledger import carry_over
from storage.staged_files import Staging

ROWS_AT_ONCE = 500_000
"""Of landing files, of which three columns are read."""


@dataclass(frozen=True)
class Forgetting:
    """What was taken out.

    Attributes:
        tables: Of each table that names users.
        interactions: Bucket file to interactions, those of earlier versions included.
        training_sets: Training sets that were deleted: nobody can be taken out of them, as they hold no ids.
        pages: Pages of Data Docs that named them.
        sequences_version: The version of `sequences` without them; None where there are no sequences.
    """

    tables: Mapping[str, Removed]
    interactions: Mapping[str, int]
    training_sets: int
    pages: int
    sequences_version: int | None

    @property
    def tables_named_them(self) -> bool:
        """Whether any version of any table did."""
        return any(removed.files for removed in self.tables.values()) or any(self.interactions.values())


def forget(lake: Lake, person: Person, reason: str) -> Forgetting:
    """Takes a person out of events, quarantine, corrections, sequences of every version, training sets and Data Docs.

    Raises:
        ValueError: the lake is an object store.
    """
    if not lake.is_local:
        raise ValueError(f"{lake.root} is an object store: forget on a machine where it is mounted as a folder")
    suppress(lake, person.user, person.id_type, reason)
    before = lake.version(EVENTS_TABLE) if lake.exists(EVENTS_TABLE) else None
    with Staging(lake) as staging:
        tables = {table: remove_rows(lake, staging, table, theirs) for table, theirs in person.rows().items()}
        interactions = remove_from_buckets(lake, staging, person)
    now = lake.version(EVENTS_TABLE) if before is not None else None
    return Forgetting(
        tables, interactions, _without_training_sets(lake), _without_pages(lake, person), carry_over(lake, before, now)
    )


def landed_rows(lake: Lake, source: Source, person: Person) -> Iterator[tuple[str, int]]:
    """File and row (from 0) of what landing files say of them; those belong to others, who have to see to it."""
    ledger = LEDGERS["events"]
    if not lake.exists(ledger):
        return
    listed = lake.scan(ledger).select(*LANDED_SCHEMA).sort(DAY, SOURCE_FILE).collect()
    files = [file for file in (LandedFile(*row) for row in listed.iter_rows()) if Path(file.path).is_file()]
    if not files:
        return
    alone = person.alone
    with damage_explained(file.path for file in files):
        for frame in source.read("events", files, sorted({file.day for file in files})):
            columns = [name for name in (USER_ID, MALFORMED) if name in frame.collect_schema()]
            for rows in batches(frame.select(SOURCE_FILE, SOURCE_ROW, *columns), ROWS_AT_ONCE):
                theirs = rows.filter(alone.theirs(rows)).select(pl.col(SOURCE_FILE).cast(pl.String), SOURCE_ROW)
                yield from theirs.iter_rows()


def _without_training_sets(lake: Lake) -> int:
    # A sweep that was ended has shares of them.
    kinds = (DATASETS, RANKING_SETS, f"{RUNS}/{SWEEPS}")
    folders = [folder for kind in kinds for folder in sorted(lake.folder(kind).iterdir())]
    for folder in folders:
        shutil.rmtree(folder)
    return len(folders)


def _without_pages(lake: Lake, person: Person) -> int:
    pages = [page for page in lake.folder(DATA_DOCS).rglob("*.html") if names(page, person)]
    for page in pages:
        page.unlink()
    return len(pages)
