"""When the line runs by itself."""

import dagster as dg

from orchestration import jobs

nightly = dg.build_schedule_from_partitioned_job(
    jobs.nightly,
    name="nightly",
    hour_of_day=2,
    description="At 02:00 UTC: yesterday's logs through the line to the gate and, if it passes, the endpoint.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)
