"""When the line runs by itself."""

from datetime import date

import dagster as dg

from assets.partitions import KIND, ONE_DAY, days_of_partition, partition_of
from orchestration import housekeeping, jobs

nightly = dg.build_schedule_from_partitioned_job(
    jobs.nightly,
    name="nightly",
    hour_of_day=2,
    description=f"At 02:00 UTC: the logs of the {KIND} that has ended through the line to the gate and, if it passes, "
    "the endpoint.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)

refresh = dg.build_schedule_from_partitioned_job(
    jobs.refresh,
    name="refresh",
    hour_of_day=1,
    description=f"At 01:00 UTC: the logs and the catalogue of the {KIND} that has ended to the endpoint, without "
    "training. For profiles that train less often than data come.",
    default_status=dg.DefaultScheduleStatus.STOPPED,
)

NIGHTS = {"day": "0 2 * * *", "week": "0 2 * * 1", "month": "0 2 1 * *"}
"""02:00 UTC after each partition."""


def _is_for_full_training(day: date) -> bool:
    """Whether the night that begins on `day` trains from scratch."""
    if KIND == "day":
        return day.weekday() == SUNDAY
    return day.day <= DAYS_A_WEEK if KIND == "week" else day.month in QUARTERS


SUNDAY, DAYS_A_WEEK, QUARTERS = 6, 7, (1, 4, 7, 10)
FULL_TRAINING = {"day": "Sundays", "week": "the first week of a month", "month": "the first month of a quarter"}


def _cadence(name: str, full: bool, description: str) -> dg.ScheduleDefinition:
    """Runs the job of that `name` in the nights that are for training from scratch, or in all others."""

    def tick(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        tonight = context.scheduled_execution_time.date()
        if _is_for_full_training(tonight) is not full:
            return dg.SkipReason(f"full_train has {FULL_TRAINING[KIND]}, and nightly_train the rest")
        ended = partition_of(tonight - ONE_DAY)
        if not days_of_partition(ended):
            return dg.SkipReason(f"the profile has no {KIND} that ended before {tonight}")
        key = ended.isoformat()
        return dg.RunRequest(run_key=key, partition_key=key, run_config=dict(jobs.CADENCES[name]))

    return dg.ScheduleDefinition(
        job_name=name,
        name=name,
        cron_schedule=NIGHTS[KIND],
        execution_fn=tick,
        description=description,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )


full_train = _cadence(
    "full_train", True, f"At 02:00 UTC, {FULL_TRAINING[KIND]}: the line with a model that is trained from scratch."
)

nightly_train = _cadence(
    "nightly_train",
    False,
    "At 02:00 UTC in all nights that full_train does not have: the line with a model that is trained on from the "
    "champion. Switch on both, in place of nightly.",
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
