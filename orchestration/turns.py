"""One run at a time works on a profile, however it was started: in the UI, by a schedule, or by a command.

The run itself takes the turn, in the process that executes it, so there is one lock and one place that waits for it. A
killed process lets go of the lock by itself. What must never wait, such as a rollback, runs without a turn.
"""

import fcntl
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
from dagster._core.errors import raise_execution_interrupts
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode
from dagster._core.executor.in_process import InProcessExecutor

from orchestration.processes import Process

PROCESS_TAG = "genrec/process"
"""On every run: which process executes it. It names the run as well, because a re-execution inherits the tags."""

POLL_SECONDS = 0.2


@dataclass(frozen=True)
class Holder:
    """The run whose turn it is: its id, its job, since when (ISO, UTC), and the process that executes it."""

    run_id: str
    job: str
    since: str
    process: int

    def __str__(self) -> str:
        return (
            f"run {self.run_id[:8]} of {self.job}, which has worked since {self.since}: it can be ended in the UI, or "
            f"with `kill -INT {self.process}`"
        )


def process_of(run: dg.DagsterRun) -> Process | None:
    """The process that executes a run; None where it has not begun."""
    told = json.loads(run.tags.get(PROCESS_TAG) or "{}")
    return Process(**told["process"]) if told.get("run_id") == run.run_id else None


@contextmanager
def taken(path: Path, holder: Holder, on_wait: Callable[[str], None]) -> Iterator[None]:
    """Holds the turn for the length of the block, once the present holder is done.

    Args:
        path: The lock.
        holder: Who takes it, for those who wait then.
        on_wait: Told whom this one waits for, once for everyone it waits for.
    """
    told = ""
    path.parent.mkdir(0o700, parents=True, exist_ok=True)
    with open(path, "a+") as lock:
        while not _try(lock.fileno()):
            before = _holder(path)
            if before != told:
                on_wait(f"waits for {before}")
                told = before
            with raise_execution_interrupts():
                time.sleep(POLL_SECONDS)
        lock.truncate(0)
        lock.write(json.dumps(asdict(holder)))
        lock.flush()
        yield


def is_free(path: Path) -> bool:
    """Whether nobody has the turn at this moment."""
    if not path.exists():
        return True
    with open(path) as lock:
        return _try(lock.fileno())


def executor(lock: Path | None) -> dg.ExecutorDefinition:
    """Executes all steps in one process: in turn, by that lock, or at once where there is none."""

    @dg.executor(name="in_turn" if lock else "at_once", config_schema={})
    def in_process(_: dg.InitExecutorContext) -> dg.Executor:
        return _InProcess(lock)

    return in_process


class _InProcess(InProcessExecutor):
    """Dagster's own, which first says which process this is and waits for its turn.

    This is after the run has started, so Dagster does not take a run that waits for one that could not start.
    """

    def __init__(self, lock: Path | None) -> None:
        super().__init__(retries=RetryMode.ENABLED)
        self._lock = lock

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[dg.DagsterEvent]:
        run, process = plan_context.dagster_run, Process.current()
        tag = json.dumps({"run_id": run.run_id, "process": asdict(process)})
        plan_context.instance.add_run_tags(run.run_id, {PROCESS_TAG: tag})
        if self._lock is None:
            yield from super().execute(plan_context, execution_plan)
            return
        holder = Holder(run.run_id, run.job_name, f"{datetime.now(UTC):%Y-%m-%d %H:%M:%S} UTC", process.pid)
        with taken(self._lock, holder, plan_context.log.info):
            yield from super().execute(plan_context, execution_plan)


def _try(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(path: Path) -> str:
    try:
        return str(Holder(**json.loads(path.read_text())))
    except (ValueError, TypeError):
        return "another run, which has just begun or ended"
