"""Dagster's UI with its daemon, started for a measurement or a test, and used as a browser uses it: over GraphQL."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from orchestration.workspace import MODULE, REPOSITORY

START_SECONDS = 180
POLL_SECONDS = 0.1
ASSET_JOB = "__ASSET_JOB"
"""The job that the UI's button `Materialize` launches."""

LAUNCH = """mutation($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
FINISHED = ("SUCCESS", "FAILURE", "CANCELED")


@dataclass(frozen=True)
class UserInterface:
    """A running UI.

    Attributes:
        url: Where it answers.
        log: What it and its daemon print.
    """

    url: str
    log: Path

    def ask(self, query: str, variables: Mapping[str, object] | None = None) -> dict[str, Any]:
        """The data that a GraphQL query or mutation gives.

        Raises:
            RuntimeError: it gives errors.
        """
        body = {"query": query, "variables": dict(variables or {})}
        answer = httpx.post(f"{self.url}/graphql", json=body, timeout=60, trust_env=False).json()
        if "errors" in answer:
            raise RuntimeError(f"the UI refused: {answer['errors']}")
        found: dict[str, Any] = answer["data"]
        return found

    def launch(
        self,
        job: str = ASSET_JOB,
        assets: Sequence[str] = (),
        run_config: Mapping[str, object] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> str:
        """Launches a run and returns its id.

        Raises:
            RuntimeError: it was refused before it was stored.
        """
        selector: dict[str, object] = {
            "repositoryLocationName": MODULE,
            "repositoryName": REPOSITORY,
            "jobName": job,
            "assetSelection": [{"path": [asset]} for asset in assets] or None,
        }
        metadata = {"tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]}
        params = {
            "selector": selector,
            "runConfigData": dict(run_config or {}),
            "mode": "default",
            "executionMetadata": metadata,
        }
        answer = self.ask(LAUNCH, {"params": params})["launchPipelineExecution"]
        if answer["__typename"] != "LaunchRunSuccess":
            raise RuntimeError(f"the launch of {job} was refused: {answer}")
        run_id: str = answer["run"]["runId"]
        return run_id

    def status(self, run_id: str) -> str:
        """Status of a run, as Dagster names it."""
        found: str = self.ask(STATUS, {"id": run_id})["runOrError"]["status"]
        return found

    def wait(self, run_id: str, seconds: float = 120, statuses: Sequence[str] = FINISHED) -> str:
        """The first of `statuses` that the run has.

        Raises:
            TimeoutError: it has none of them after `seconds`.
        """
        end = time.monotonic() + seconds
        while (status := self.status(run_id)) not in statuses:
            if time.monotonic() > end:
                raise TimeoutError(f"run {run_id} is {status} after {seconds:.0f} s, not {' or '.join(statuses)}")
            time.sleep(POLL_SECONDS)
        return status


@contextmanager
def user_interface(
    command: Sequence[str], port: int, environment: Mapping[str, str], log: Path
) -> Iterator[UserInterface]:
    """The UI that `command` starts on `port` of loopback, for the length of the block."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    found = UserInterface(f"http://127.0.0.1:{port}", log)
    try:
        _wait_until_loaded(found, process)
        yield found
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_loaded(found: UserInterface, process: "subprocess.Popen[bytes]") -> None:
    """Until the definitions are there."""
    end = time.monotonic() + START_SECONDS
    query = "{ repositoriesOrError { ... on RepositoryConnection { nodes { name } } } }"
    while process.poll() is None and time.monotonic() < end:
        try:
            if found.ask(query)["repositoriesOrError"].get("nodes"):
                return
        except (httpx.HTTPError, RuntimeError, ValueError):
            pass
        time.sleep(POLL_SECONDS)
    raise RuntimeError(f"the UI does not answer: {found.log.read_text()[-2000:]}")
