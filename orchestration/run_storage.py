"""Where Dagster keeps its runs: SQLite in the profile's folder; `dagster.yaml` names this class."""

import fcntl
from pathlib import Path
from typing import Self

from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage, SqliteStorageConfig, _event_logs_directory
from dagster._serdes import ConfigurableClassData

from orchestration.event_log import EventLog


class RunStorage(DagsterSqliteStorage):
    """Dagster's own, with our event log, and in which runs and schedules wait for a lock as long as that does.

    Theirs is SQLite's default, 5 s. On a busy machine the heartbeats of the daemons wait longer, and fail.

    Processes that start side by side make the databases one after the other: one that looks while another makes them
    finds them broken.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        Path(base_dir).mkdir(parents=True, exist_ok=True)
        with open(Path(base_dir) / ".being_made", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            super().__init__(base_dir, inst_data)
        self._event_log_storage = EventLog(_event_logs_directory(base_dir))
        for storage in (self._run_storage, self._schedule_storage):
            storage._conn_string += f"?timeout={SQLITE_BUSY_TIMEOUT_SECONDS}"

    @classmethod
    def from_config_value(  # type: ignore[override]
        cls, inst_data: ConfigurableClassData, config_value: SqliteStorageConfig
    ) -> Self:
        return cls.from_local(inst_data=inst_data, **config_value)
