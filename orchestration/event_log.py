"""Dagster's record of what runs did, for runs of thousands of days.

Dagster says of every day of every asset that it is planned and that it is made. Its own storage opens, locks and syncs
two databases for each of these events; this one takes many at once, and says of a check what it is about: the run.
"""

from collections.abc import Sequence
from typing import Any

from dagster import DagsterEventType, EventLogEntry
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationPlanned
from dagster._core.events import ASSET_EVENTS, BATCH_WRITABLE_EVENTS
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_shared.record import copy
from sqlalchemy import Connection


class EventLog(SqliteEventLogStorage):
    """The same databases as Dagster's own."""

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Stores events of one run in one transaction of each database."""
        of_run = {event.run_id for event in events}
        if len(of_run) > 1 or any(event.dagster_event_type not in BATCH_WRITABLE_EVENTS for event in events):
            super().store_event_batch(events)
            return
        rows = [self._event_to_row(event) for event in events]
        # The one that others write, too, comes first: should it fail, Dagster stores all events again, one by one.
        with self.index_connection() as conn:
            ids = _inserted(conn, rows)
            stored = list(zip(events, ids, strict=True))
            of_assets = [(event, number) for event, number in stored if event.dagster_event_type in ASSET_EVENTS]
            if of_assets:
                self._store_asset_event_tags(conn, *zip(*of_assets, strict=True))
            for event, number in _newest(of_assets):
                self._store_asset_event(conn, event, number)
        with self.run_connection(of_run.pop()) as conn:
            conn.execute(SqlEventLogStorageTable.insert(), rows)
        for event, number in stored:
            if event.dagster_event_type == DagsterEventType.ASSET_CHECK_EVALUATION_PLANNED:
                self.store_asset_check_event(event, number)

    def _store_asset_check_evaluation_planned(self, event: EventLogEntry, event_id: int | None) -> None:
        """Expects one result of the run: Dagster expects one for each day, and waits for them for good."""
        super()._store_asset_check_evaluation_planned(_of_run(event), event_id)


def _inserted(conn: Connection, rows: Sequence[dict[str, Any]]) -> Sequence[int]:
    """The ids that new rows got, in their order."""
    numbered = SqlEventLogStorageTable.insert().returning(SqlEventLogStorageTable.c.id, sort_by_parameter_order=True)
    return [number for (number,) in conn.execute(numbered, rows)]


def _newest(events: Sequence[tuple[EventLogEntry, int]]) -> Sequence[tuple[EventLogEntry, int]]:
    """The last event of each kind of each asset, which is all that the list of assets remembers."""
    return list(
        {(event.get_dagster_event().asset_key, event.dagster_event_type): (event, n) for event, n in events}.values()
    )


def _of_run(event: EventLogEntry) -> EventLogEntry:
    dagster_event = event.get_dagster_event()
    planned = dagster_event.event_specific_data
    if not isinstance(planned, AssetCheckEvaluationPlanned) or planned.partitions_subset is None:
        return event
    whole = dagster_event._replace(event_specific_data=copy(planned, partitions_subset=None))
    return event._replace(dagster_event=whole)
