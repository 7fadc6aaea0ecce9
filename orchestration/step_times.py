"""How long the steps of runs took."""

import dagster as dg
from dagster import DagsterEventType

BOUNDS = {DagsterEventType.STEP_START, DagsterEventType.STEP_SUCCESS, DagsterEventType.STEP_FAILURE}


def stage_seconds(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dict[str, float]:
    """How long each step of `job` took in the newest run of the job that finished; empty before the first."""
    finished = instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1)
    return step_seconds(instance, finished[0].run_id) if finished else {}


def step_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    """Step to seconds, of each step that has ended.

    Dagster's own statistics read everything that a run said of its days besides.
    """
    began: dict[str, float] = {}
    took: dict[str, float] = {}
    for entry in instance.all_logs(run_id, of_type=BOUNDS):
        if entry.step_key and entry.dagster_event:
            if entry.dagster_event.is_step_start:
                began[entry.step_key] = entry.timestamp
            elif entry.step_key in began:
                took[entry.step_key] = entry.timestamp - began[entry.step_key]
    return took
