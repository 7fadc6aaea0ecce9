"""Everything that Dagster knows of this platform: a table of contents."""

import os
import warnings

import dagster as dg

from orchestration import environment
from orchestration.profile import load_profile


@dg.definitions
def defs() -> dg.Definitions:
    profile = load_profile(os.environ.get(environment.PROFILE_VARIABLE) or environment.DEFAULT_PROFILE)
    environment.apply(profile)
    # Every asset names its backfill policy, and Dagster says of each one that the parameter is in beta.
    warnings.filterwarnings("ignore", "Parameter `backfill_policy`", dg.BetaWarning)

    from orchestration import all_assets, data_jobs, housekeeping, jobs, resources, schedules, turns

    return dg.Definitions(
        assets=all_assets.all_assets(profile),
        asset_checks=all_assets.all_checks(),
        resources=resources.build_resources(profile),
        executor=turns.executor(environment.run_lock(profile)),
        jobs=[
            jobs.line,
            jobs.nightly,
            jobs.full_train,
            jobs.nightly_train,
            jobs.refresh,
            jobs.tuning,
            jobs.scaling,
            jobs.ranking,
            jobs.argus,
            jobs.rollback,
            data_jobs.replay,
            data_jobs.forgetting,
            housekeeping.compaction,
            housekeeping.retention,
        ],
        schedules=[
            schedules.nightly,
            schedules.full_train,
            schedules.nightly_train,
            schedules.refresh,
            schedules.compaction,
            schedules.retention,
        ],
    )
