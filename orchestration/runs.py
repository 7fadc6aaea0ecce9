"""Runs the line in this process, on the same Dagster instance that the UI shows."""

import fcntl
import json
import logging
import os
import re
import sys
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import IO

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from dagster_shared.error import SerializableErrorInfo
from rich.console import Console

from orchestration.environment import state_folder
from orchestration.processes import Process
from orchestration.profile import Profile
from orchestration.progress import LineProgress

PROCESS_TAG = "genrec/process"
LOGGER = "terminal"
# Our own errors are sentences; the class only tells something where it is a built-in one.
QUALIFIED_CLASS = re.compile(r"^(\w+\.)+\w+: ")


class RunError(RuntimeError):
    """A run that could not start or that failed; the message is the sentence for the user."""


@dataclass(frozen=True)
class Outcome:
    """A run that succeeded: its id, its duration, and the seconds of each step."""

    run_id: str
    wall_seconds: float
    seconds: Mapping[str, float]


def materialize(profile: Profile, days: tuple[date, date] | None = None, select: str | None = None) -> Outcome:
    """Materializes the line, or the selected part of it, for a range of days in one run.

    Args:
        profile: The profile, already applied to the environment.
        days: First and last day, both included; None for all days that the profile has by now.
        select: Asset selection as Dagster writes it, such as `events*`; None for the whole line.

    Raises:
        RunError: another run holds the profile, the days or the selection name nothing, or a stage failed.
    """
    from orchestration.definitions import defs

    definitions = defs()
    job = definitions.resolve_job_def("line")
    if select:
        job = job.get_subset(asset_selection=_selected(definitions, select))
    first, last = _partition_range(days)
    return execute(profile, job, {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last})


def roll_back(profile: Profile, reason: str) -> Outcome:
    """Runs the rollback job.

    Raises:
        RunError: there is no earlier champion, or it cannot be deployed.
    """
    from orchestration.definitions import defs

    return execute(
        profile,
        defs().resolve_job_def("rollback"),
        {},
        {"ops": {"put_previous_champion_back": {"config": {"reason": reason}}}},
    )


def execute(
    profile: Profile, job: dg.JobDefinition, tags: Mapping[str, str], run_config: Mapping[str, object] | None = None
) -> Outcome:
    """Runs a job in this process, alone.

    Raises:
        RunError: another run holds the profile, or a step failed.
    """
    log = state_folder(profile.name) / "last_run.log"
    began = time.monotonic()
    with _alone(profile), _output_to(log) as terminal, dg.DagsterInstance.get() as instance:
        _close_abandoned(instance)
        with LineProgress(Console(file=terminal), _stages(job), stage_seconds(instance, job)) as progress:
            result = job.with_logger_defs({LOGGER: _logger(progress)}).execute_in_process(
                run_config={"loggers": {LOGGER: {}}, **(run_config or {})},
                instance=instance,
                tags={**tags, PROCESS_TAG: json.dumps(asdict(Process.current()))},
                raise_on_error=False,
            )
        if not result.success:
            raise RunError(f"{_why(result)} (what the libraries said is in {log})")
        return Outcome(result.run_id, time.monotonic() - began, step_seconds(instance, result.run_id))


def stage_seconds(instance: dg.DagsterInstance, job: dg.JobDefinition) -> dict[str, float]:
    """How long each step of `job` took in the newest run of the job that finished; empty before the first."""
    finished = instance.get_runs(dg.RunsFilter(job_name=job.name, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1)
    return step_seconds(instance, finished[0].run_id) if finished else {}


def step_seconds(instance: dg.DagsterInstance, run_id: str) -> dict[str, float]:
    return {
        step.step_key: step.end_time - step.start_time
        for step in instance.get_run_step_stats(run_id)
        if step.start_time and step.end_time
    }


def _selected(definitions: dg.Definitions, select: str) -> frozenset[dg.AssetKey]:
    graph = definitions.resolve_asset_graph()
    try:
        keys = dg.AssetSelection.from_string(select).resolve(graph)
    except dg.DagsterError as error:
        raise RunError(f"--select {select}: {' '.join(str(error).split())}") from error
    if not keys:
        raise RunError(
            f"--select {select} names no asset: the line is {', '.join(sorted(map(_name, graph.get_all_asset_keys())))}"
        )
    return frozenset(keys)


def _stages(job: dg.JobDefinition) -> Collection[str]:
    """The steps that make an asset; for a job without assets, all of them."""
    assets = {key.to_python_identifier() for key in job.asset_layer.executable_asset_keys}
    return assets or {node.name for node in job.nodes}


def _partition_range(days: tuple[date, date] | None) -> tuple[str, str]:
    from assets.partitions import daily

    keys = daily.get_partition_keys()
    if not keys:
        raise RunError("the profile has no day yet: its first day is today or later")
    if days is None:
        return keys[0], keys[-1]
    first, last = (day.isoformat() for day in days)
    if first > last or first not in keys or last not in keys:
        raise RunError(f"--days {first}:{last} is not a range within the profile's days {keys[0]}:{keys[-1]}")
    return first, last


def _close_abandoned(instance: dg.DagsterInstance) -> None:
    """Marks runs failed whose command was killed; else they look alive for ever and keep their pools' slots."""
    for run in instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])):
        if PROCESS_TAG in run.tags and not Process(**json.loads(run.tags[PROCESS_TAG])).alive():
            instance.report_run_failed(run, "the command that ran it was killed")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)


def _why(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            failure = data.user_failure_data
            errors = list(_causes(data.error))
            if any(error.cls_name == "DagsterExecutionInterruptedError" for error in errors):
                return f"stage {event.step_key} was interrupted"
            # The first that is not Dagster's is ours; what it was raised from says neither where nor what to do.
            ours = [error for error in errors if not (error.cls_name or "").startswith("Dagster")]
            message = (failure.description if failure else None) or (
                QUALIFIED_CLASS.sub("", ours[0].message) if ours else ""
            )
            return f"stage {event.step_key} failed: {' '.join(message.split())}"
    return "the run failed before its first stage"


def _causes(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error:
        yield error
        error = error.cause


def _logger(handler: logging.Handler) -> dg.LoggerDefinition:
    def terminal(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.Logger("genrec.line", logging.DEBUG)
        logger.addHandler(handler)
        return logger

    return dg.LoggerDefinition(terminal, description="The terminal's account of the line.")


@contextmanager
def _alone(profile: Profile) -> Iterator[None]:
    """One run at a time writes a profile's tables; a killed command lets go by itself."""
    path = state_folder(profile.name) / "run.lock"
    with open(path, "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunError(
                f"another command materializes profile {profile.name} right now: wait for it or end it"
            ) from None
        yield


@contextmanager
def _output_to(path: Path) -> Iterator[IO[str]]:
    """Sends whatever libraries print to a file, and yields a stream to the terminal that was there before."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with open(path, "wb") as log, os.fdopen(os.dup(saved[0]), "w") as terminal:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
        try:
            yield terminal
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            for number, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)


def _name(key: dg.AssetKey) -> str:
    return key.to_user_string()
