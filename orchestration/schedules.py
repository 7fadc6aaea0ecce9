"""When the line runs by itself."""

import dagster as dg

from assets.partitions import KIND
from orchestration import housekeeping, jobs

nightly = dg.build_schedule_from_partitioned_job(
    jobs.nightly,
    name="nightly",
    hour_of_day=2,
    description=f"At 02:00 UTC: the logs of the {KIND} that has ended through the line to the gate and, if it passes, "
    "the endpoint.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)

compaction = dg.ScheduleDefinition(
    job=housekeeping.compaction,
    name="compaction",
    cron_schedule="0 5 * * *",
    description="At 05:00 UTC: small files of the tables are joined.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)

retention = dg.ScheduleDefinition(
    job=housekeeping.retention,
    name="retention",
    cron_schedule="0 6 * * 0",
    description="Sundays at 06:00 UTC: what is older than the profile keeps and no live version names is deleted.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
