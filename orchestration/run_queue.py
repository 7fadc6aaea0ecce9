"""How Dagster queues, watches and ends the runs of a profile; `dagster.yaml` names these two classes."""

import os
import signal

import dagster as dg
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.run_coordinator import QueuedRunCoordinator, SubmitRunContext

from orchestration.turns import process_of

TURN_TAG = "genrec/takes_turns"
"""On every run that takes its turn; the queue starts one of them at a time, and the others whenever they are asked."""

WITHOUT_TURN = ("rollback",)
"""Jobs that must never wait for a run."""


def turn_tags(job: str) -> dict[str, str]:
    """The tags by which the queue knows whether a run of `job` takes turns."""
    return {} if job in WITHOUT_TURN else {TURN_TAG: "true"}


class RunQueue(QueuedRunCoordinator):
    """Dagster's queue, in which only runs that take turns wait for each other."""

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        run = context.dagster_run
        if tags := turn_tags(run.job_name):
            self._instance.add_run_tags(run.run_id, tags)
        return super().submit_run(context)


class RunLauncher(DefaultRunLauncher):
    """Dagster's launcher, which also knows the runs that commands execute: whether they live, and how to end them."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        process = process_of(run)
        if process is None or process.alive():
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.FAILED, f"process {process.pid}, which executed the run, was killed")

    def terminate(self, run_id: str) -> bool:
        """Ends a run in good order; whether it was there to be ended."""
        run = self._instance.get_run_by_id(run_id)
        process = process_of(run) if run else None
        if run is None or run.is_finished or process is None or not process.alive():
            return bool(super().terminate(run_id))  # type: ignore[no-untyped-call]
        self._instance.report_run_canceling(run)
        os.kill(process.pid, signal.SIGINT)
        return True
