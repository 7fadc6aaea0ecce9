"""Runs the line in this process, on the same Dagster instance that the UI shows."""

import os
import re
import sys
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import IO

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.errors import DagsterExecutionInterruptedError, DagsterInvalidSubsetError
from dagster._core.execution.api import execute_run
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    MAX_RETRIES_TAG,
)
from dagster._core.utils import make_new_run_id
from dagster_shared.error import SerializableErrorInfo
from rich.console import Console

from orchestration import interruption
from orchestration.environment import run_lock, state_folder
from orchestration.profile import Profile
from orchestration.progress import LineProgress
from orchestration.run_queue import turn_tags
from orchestration.step_times import stage_seconds, step_seconds
from orchestration.turns import is_free, process_of
from orchestration.workspace import job_origin

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


def materialize(
    profile: Profile, days: tuple[date, date] | None = None, select: str | None = None, cadence: str | None = None
) -> Outcome:
    """Materializes the line, or the selected part of it, for a range of days in one run.

    Args:
        profile: The profile, already applied to the environment.
        days: First and last day, both included; None for all days that the profile has by now.
        select: Asset selection as Dagster writes it, such as `events*`; None for the whole line.
        cadence: The job, `full_train` or `nightly_train`, that says what training starts from; None: the profile does.

    Raises:
        RunError: the days or the selection name nothing, or a stage failed.
    """
    from orchestration.definitions import defs
    from orchestration.jobs import CADENCES

    definitions = defs()
    job = definitions.resolve_job_def(cadence or "line")
    selected = None if select is None else _selected(definitions, job, select)
    first, last = _partition_range(days)
    tags = {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}
    return execute(profile, job, tags, CADENCES.get(job.name), selected)


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
    profile: Profile,
    job: dg.JobDefinition,
    tags: Mapping[str, str],
    run_config: Mapping[str, object] | None = None,
    selected: frozenset[dg.AssetKey] | None = None,
) -> Outcome:
    """Runs a job in this process, as one more of the runs that the UI shows.

    Args:
        profile: The profile, already applied to the environment.
        job: A job of the definitions.
        tags: Tags of the run.
        run_config: Configuration of the run, as the UI's launchpad takes it.
        selected: The assets to make; None for all of the job.

    Raises:
        RunError: a step failed.
    """
    log = state_folder(profile.name) / "last_run.log"
    began = time.monotonic()
    with _output_to(log, run_lock(profile)) as terminal, dg.DagsterInstance.get() as instance:
        _close_abandoned(instance)
        run_id, stages = make_new_run_id(), _stages(job.get_subset(asset_selection=selected) if selected else job)
        with LineProgress(Console(file=terminal), stages, stage_seconds(instance, job)) as progress:
            instance.add_event_listener(run_id, _begin_nothing_once_told_to_end)
            instance.add_event_listener(run_id, progress.show)
            run = instance.create_run_for_job(
                job,
                run_id=run_id,
                run_config=run_config,
                # A command that was killed is not started again behind the user's back.
                tags={**tags, **turn_tags(job.name), MAX_RETRIES_TAG: "0"},
                asset_selection=selected,
                remote_job_origin=job_origin(job.name),
            )
            result = execute_run(InMemoryJob(job), run, instance)
        if not result.success:
            raise RunError(f"{_why(result.all_events)} (what the libraries said is in {log})")
        return Outcome(run.run_id, time.monotonic() - began, step_seconds(instance, run.run_id))


def _selected(definitions: dg.Definitions, job: dg.JobDefinition, select: str) -> frozenset[dg.AssetKey]:
    """The assets that `select` means: those of the line, and others, such as the long search, if it names them."""
    graph = definitions.resolve_asset_graph()
    known = ", ".join(sorted(map(_name, graph.get_all_asset_keys())))
    try:
        found = dg.AssetSelection.from_string(select).resolve(graph)
    except DagsterInvalidSubsetError as error:
        raise RunError(f"--select {select} names something that is not an asset: the line is {known}") from error
    except dg.DagsterError as error:
        why = " ".join(str(error).split())
        raise RunError(f"--select {select} is not a selection of assets ({why}): the line is {known}") from error
    named, line = set(re.findall(r"\w+", select)), job.asset_layer.executable_asset_keys
    keys = frozenset(key for key in found if key in line or _name(key) in named)
    if not keys:
        raise RunError(f"--select {select} names no asset: the line is {known}")
    return keys


def _stages(job: dg.JobDefinition) -> Collection[str]:
    """The steps that make an asset; for a job without assets, all of them."""
    assets = {key.to_python_identifier() for key in job.asset_layer.executable_asset_keys}
    return assets or {node.name for node in job.nodes}


def _partition_range(days: tuple[date, date] | None) -> tuple[str, str]:
    """The keys of the first and the last partition that hold any of the days."""
    from assets.partitions import KIND, days_of_partition, partition_of, partitions

    keys = partitions.get_partition_keys()
    if not keys:
        raise RunError(f"the profile has no {KIND} yet that has ended: its first day is today or later, or too recent")
    if days is None:
        return keys[0], keys[-1]
    known = [day for key in (keys[0], keys[-1]) for day in days_of_partition(date.fromisoformat(key))]
    first, last = days
    if first > last or first < known[0] or last > known[-1]:
        raise RunError(f"--days {first}:{last} is not a range within the profile's days {known[0]}:{known[-1]}")
    return partition_of(first).isoformat(), partition_of(last).isoformat()


def _close_abandoned(instance: dg.DagsterInstance) -> None:
    """Marks runs failed whose process was killed; else they look alive for ever, and the queue waits for them."""
    unfinished = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
    for run in instance.get_runs(dg.RunsFilter(statuses=unfinished)):
        process = process_of(run)
        if process and not process.alive():
            instance.report_run_failed(run, f"process {process.pid}, which executed the run, was killed")


def _begin_nothing_once_told_to_end(entry: dg.EventLogEntry) -> None:
    """Ends the run at the next step if the one before swallowed what a signal raised in it."""
    event = entry.dagster_event
    if event and event.event_type == dg.DagsterEventType.STEP_START and interruption.received():
        raise DagsterExecutionInterruptedError


def _why(events: Iterable[dg.DagsterEvent]) -> str:
    for event in events:
        if event.event_type == dg.DagsterEventType.RUN_CANCELED:
            return "the run was ended before it was done"
        if event.event_type == dg.DagsterEventType.STEP_FAILURE:
            data = event.step_failure_data
            failure = data.user_failure_data
            errors = list(_causes(data.error))
            # Ray's handler raises SystemExit, and a library may turn either into an error of its own.
            interrupted = any(error.cls_name == DagsterExecutionInterruptedError.__name__ for error in errors)
            if interrupted or interruption.received():
                return f"stage {event.step_key} was interrupted"
            message = (failure.description if failure else None) or _sentence(errors)
            return f"stage {event.step_key} failed: {' '.join(message.split())}"
        if event.event_type == dg.DagsterEventType.RUN_FAILURE:
            message = _sentence(_causes(event.job_failure_data.error))
            return f"the run failed before its first stage: {' '.join(message.split())}"
    return "the run failed before its first stage"


def _sentence(errors: Iterable[SerializableErrorInfo]) -> str:
    """What the first error that is not Dagster's says: it is ours, and says where it is and what to do."""
    ours = (error.message for error in errors if not (error.cls_name or "").startswith("Dagster"))
    return QUALIFIED_CLASS.sub("", next(ours, ""))


def _causes(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error:
        yield error
        error = error.cause


@contextmanager
def _output_to(path: Path, lock: Path) -> Iterator[IO[str]]:
    """Sends whatever libraries print to a file, and yields a stream to the terminal that was there before.

    The file starts empty unless a run is at work, which may be writing to it.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    with open(path, "ab") as log, os.fdopen(os.dup(saved[0]), "w") as terminal:
        if is_free(lock):
            log.truncate(0)
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
