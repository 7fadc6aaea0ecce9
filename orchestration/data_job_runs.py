"""Runs of the jobs that look after the data."""

import os
import re
from collections.abc import Sequence
from datetime import date

from orchestration.profile import Profile
from orchestration.runs import Outcome, execute


def replay_kept(profile: Profile, days: Sequence[date]) -> Outcome:
    """Cleans days of events again whose landing files are gone.

    Raises:
        RunError: another run holds the profile, or a row cannot be judged.
    """
    from orchestration.definitions import defs

    config = {"days": [day.isoformat() for day in days]}
    run_config = {"ops": {"clean_days_without_landing_files": {"config": config}}}
    return execute(profile, defs().resolve_job_def("replay"), {}, run_config)


def forget(profile: Profile, user: str, reason: str) -> Outcome:
    """Runs the job that forgets `user`, whose id Dagster's record does not get to see.

    Raises:
        ValueError: the reason holds the id.
        RunError: they could not be forgotten everywhere; the message says where not.
    """
    from assets.privacy.ids_in_text import mention
    from orchestration.data_jobs import Variable
    from orchestration.definitions import defs

    if re.search(mention(user), reason):
        raise ValueError("--reason holds the id of the person, and it is recorded: give the reason without the id")
    variable = Variable.GENREC_FORGET_USER.value
    os.environ[variable] = user
    try:
        run_config = {"ops": {"forget_user": {"config": {"user": {"env": variable}, "reason": reason}}}}
        return execute(profile, defs().resolve_job_def("forgetting"), {}, run_config)
    finally:
        del os.environ[variable]
