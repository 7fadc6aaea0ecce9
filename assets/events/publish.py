"""From the landing files of some days to these days of the table `events`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from assets.engine import Engine
from assets.events.expectations import events_expectations
from assets.events.replay_days import stage_again
from assets.events.row_validator import RowValidator, known_items
from assets.events.stage import Cleaning, stage_events
from assets.partitions import TellPartitions
from assets.sources.ledger import landed_files
from assets.sources.source import Outside, Source
from assets.validation.data_docs import DataDocs
from assets.validation.day_summary import by_day
from assets.validation.drift import with_drift
from assets.validation.publish import Published, publish
from assets.validation.settings import QualitySettings
from assets.validation.staged import Staged
from assets.validation.statistics import Tally, earlier_days, remember
from storage.lake import Lake
from storage.schema import EVENTS_TABLE, ITEMS_TABLE, IdType, events_schema, require_same
from storage.staged_files import Staging


@dataclass(frozen=True)
class EventsRun:
    """What a run needs to know.

    Attributes:
        source: Whose landing files are read; the ledger says which they are.
        rows_in_memory: About how many rows may be held at once.
        data_docs: Where the verdicts are told.
        span: The profile's first day and the day after its last: rows of files on none of its days are counted.
    """

    lake: Lake
    source: Source
    rules: QualitySettings
    id_type: IdType
    rows_in_memory: int
    data_docs: DataDocs
    span: tuple[date, date | None] = (date.min, None)

    def publish(
        self, days: Sequence[date], engine: Engine, report: Callable[[str], None], tell: TellPartitions
    ) -> Iterator[Published]:
        """Cleans `days`, judges them whole, and replaces them in the table unless a blocking expectation fails.

        Raises:
            dg.Failure: one failed; the table stays as it is.
        """
        files = landed_files(self.lake, "events", days)

        def stage(staging: Staging, cleaning: Cleaning) -> tuple[Staged, Tally]:
            staged, tally = stage_events(staging, engine, self.source, files, days, cleaning, self.span)
            if staged.outside:
                report(Outside(*self.span, staged.outside).said())
            return staged, tally

        yield from self._publish(days, stage, report, tell)

    def publish_again(
        self, days: Sequence[date], report: Callable[[str], None], tell: TellPartitions
    ) -> Iterator[Published]:
        """The same for `days` whose landing files are gone, from what the tables kept of them.

        Raises:
            dg.Failure: a blocking expectation failed; the table and the quarantine stay as they are.
        """

        def stage(staging: Staging, cleaning: Cleaning) -> tuple[Staged, Tally]:
            return stage_again(staging, days, cleaning)

        yield from self._publish(days, stage, report, tell, landed=False)

    def _publish(
        self,
        days: Sequence[date],
        stage: Callable[[Staging, Cleaning], tuple[Staged, Tally]],
        report: Callable[[str], None],
        tell: TellPartitions,
        landed: bool = True,
    ) -> Iterator[Published]:
        lake, rules, now = self.lake, self.rules, datetime.now(UTC)
        if lake.exists(EVENTS_TABLE):
            there = lake.scan(EVENTS_TABLE).collect_schema()
            require_same(lake.uri(EVENTS_TABLE), there, events_schema(self.id_type, rules.columns))
        known = known_items(lake.scan(ITEMS_TABLE))
        required = known if rules.reject_unknown_items else None
        validator = RowValidator(
            rules, self.id_type, required, now, self.source.timestamp_unit("events"), self.source.columns("events")
        )
        suite, unsure = events_expectations(rules, now), known if required is None else None
        with Staging(lake) as staging:
            staged, tally = stage(staging, Cleaning(validator, suite, unsure, self.rows_in_memory))
            report(f"{staged.rows_accepted} events accepted, {staged.rows_rejected} rejected")
            statistics = tally.statistics(staged.rejected, days)
            summary = by_day(staged.accepted, staged.rejected, days, rules.min_rows_judged, staged.undated)
            earlier = earlier_days(lake, days)
            summary = with_drift(summary, statistics, earlier, rules.drift.min_days, rules.min_rows_judged)
            yield from publish(lake, EVENTS_TABLE, staged, days, summary, suite, tell, self.data_docs, landed)
            remember(lake, statistics, days)
