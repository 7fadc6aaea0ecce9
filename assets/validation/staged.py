"""What cleaning a run's days came to: files that no table names yet, and counts of what is in them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from assets.metadata import PREVIEW_ROWS
from assets.validation.counting import Counts, count
from assets.validation.expectation import Expectation
from assets.validation.quarantine import Cleaned
from models.columns import AT_FAULT, DAY, REASON
from storage.commit import StagedFile
from storage.schema import QUARANTINE_SCHEMA

ROWS = "rows"


@dataclass(frozen=True)
class Staged:
    """Rows of a run, judged and written, but not published.

    Attributes:
        files: The accepted rows.
        quarantine_files: The rejected and trimmed rows.
        accepted: (day, rows) of the accepted rows.
        rejected: (day, reason, at_fault, rows) of the rejected rows.
        trimmed: (day, reason, at_fault, rows) of accepted rows that lost a cell.
        counts: What the accepted rows are in the eyes of each expectation on rows, by its name.
        preview: The first few accepted rows; its columns and types are the table's.
        undated: Rejected rows that stand on the first day because their own cannot be read.
        outside: Rows of the files that lie on no day of the profile.
    """

    files: Sequence[StagedFile]
    quarantine_files: Sequence[StagedFile]
    accepted: pl.DataFrame
    rejected: pl.DataFrame
    trimmed: pl.DataFrame
    counts: Mapping[str, Counts]
    preview: pl.DataFrame
    undated: int = 0
    outside: int = 0

    @classmethod
    def empty(cls, like: pl.DataFrame, suite: Sequence[Expectation] = ()) -> "Staged":
        """No row of a table with the columns of `like`."""
        nothing = pl.DataFrame(schema=QUARANTINE_SCHEMA)
        return cls.of(Cleaned(like.clear(), nothing, nothing), [], [], suite)

    @classmethod
    def of(
        cls,
        cleaned: Cleaned,
        files: Sequence[StagedFile],
        quarantine_files: Sequence[StagedFile],
        suite: Sequence[Expectation] = (),
    ) -> "Staged":
        """Rows that were written to these files, counted as the expectations on rows in `suite` ask."""
        rows = cleaned.accepted.lazy().select(~(cs.binary() | cs.nested()))
        return cls(
            files,
            quarantine_files,
            _counted(cleaned.accepted, DAY),
            _counted(cleaned.rejected, DAY, REASON, AT_FAULT),
            _counted(cleaned.trimmed, DAY, REASON, AT_FAULT),
            count(rows, [expectation for expectation in suite if expectation.batch == "rows"]),
            # Copied row by row: a slice would keep the whole part in memory.
            pl.DataFrame(cleaned.accepted.head(PREVIEW_ROWS).rows(), cleaned.accepted.schema, orient="row"),
            cleaned.undated,
        )

    @classmethod
    def joined(cls, parts: Iterable["Staged"]) -> "Staged":
        """All of `parts`, at least one, as one."""
        every = list(parts)
        return cls(
            [file for part in every for file in part.files],
            [file for part in every for file in part.quarantine_files],
            _summed([part.accepted for part in every], DAY),
            _summed([part.rejected for part in every], DAY, REASON, AT_FAULT),
            _summed([part.trimmed for part in every], DAY, REASON, AT_FAULT),
            {name: Counts.joined([part.counts[name] for part in every]) for name in every[0].counts},
            pl.concat([part.preview for part in every]).head(PREVIEW_ROWS),
            sum(part.undated for part in every),
            sum(part.outside for part in every),
        )

    @property
    def rows_accepted(self) -> int:
        return int(self.accepted[ROWS].sum())

    @property
    def rows_rejected(self) -> int:
        return int(self.rejected[ROWS].sum())


def _counted(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    return rows.group_by(by).agg(pl.len().cast(pl.Int64).alias(ROWS)).sort(by)


def _summed(counts: Sequence[pl.DataFrame], *by: str) -> pl.DataFrame:
    return pl.concat(counts).group_by(by).agg(pl.col(ROWS).sum()).sort(by)
