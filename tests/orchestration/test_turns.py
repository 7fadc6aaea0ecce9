"""One run at a time works on a profile: UI, daemon and commands beside each other, all of them real."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import dagster as dg
import httpx
import pytest
from dagster._core.launcher import WorkerStatus

from benchmarks.user_interface import UserInterface, user_interface
from orchestration import environment, turns
from orchestration.profile import load_profile
from orchestration.workspace import MODULE
from serving.ports import free_port

LINE = """
import json, os, time
from pathlib import Path
import dagster as dg
from orchestration import environment, turns
from orchestration.profile import load_profile

profile = load_profile(os.environ["GENREC_PROFILE"])
environment.apply(profile)
from assets.partitions import partitions

folder = Path(os.environ["TEST_FOLDER"])

def work(context, name):
    with open(folder / "journal", "a") as journal:
        journal.write(json.dumps(["begins", context.run_id]) + "\\n")
    while not (folder / f"go-{name}").exists():
        time.sleep(0.05)
    with open(folder / "journal", "a") as journal:
        journal.write(json.dumps(["ends", context.run_id]) + "\\n")

@dg.asset(partitions_def=partitions, backfill_policy=dg.BackfillPolicy.single_run())
def days(context):
    work(context, context.run.tags.get("test/name", "command"))
    return dg.MaterializeResult()

@dg.op
def act(context):
    (folder / "acted").touch()

@dg.job(executor_def=turns.executor(None))
def rollback():
    act()

defs = dg.Definitions(
    [days],
    jobs=[dg.define_asset_job("line", dg.AssetSelection.all()), rollback],
    executor=turns.executor(environment.run_lock(profile)),
)
"""

COMMAND = """
import os, sys
sys.path.insert(0, os.environ["TEST_FOLDER"])
import small_line
import orchestration.definitions as definitions
from orchestration import runs

definitions.defs = lambda: small_line.defs
try:
    runs.materialize(small_line.profile)
except runs.RunError as error:
    sys.exit(f"RunError: {error}")
"""

UNDER_ITS_JOB = """query($filter: RunsFilter!) { runsOrError(filter: $filter) { ... on Runs { results {
  runId status jobName repositoryOrigin { repositoryName repositoryLocationName } } } } }"""
TERMINATE = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"


SERVE = """
import sys
from orchestration import ui
from orchestration.profile import load_profile

ui.workspace_arguments = lambda: ("-w", sys.argv[2])
ui.serve(load_profile(sys.argv[1]), int(sys.argv[3]), report=lambda line: print(line, flush=True))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with the small line, and a profile."""
    folder = tmp_path_factory.mktemp("turns")
    (folder / "small_line.py").write_text(LINE)
    line = {"python_file": {"relative_path": str(folder / "small_line.py"), "location_name": MODULE}}
    (folder / "workspace.yaml").write_text(json.dumps({"load_from": [line]}))
    (folder / "shop.yaml").write_text(
        "{first_day: 2026-01-01, last_day: 2026-01-03, source: {kind: demo_world}, "
        "training: {positive_actions: [click]}}"
    )
    return folder


@pytest.fixture(scope="module")
def variables(folder: Path) -> dict[str, str]:
    """The environment of every process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(environment.HOME_VARIABLE, str(folder / "home"))
        return environment.child_environment(load_profile(str(folder / "shop.yaml"))) | {"TEST_FOLDER": str(folder)}


@pytest.fixture(scope="module")
def ui(folder: Path, variables: dict[str, str]) -> Iterator[UserInterface]:
    port = free_port()
    command = [sys.executable, "-c", SERVE, str(folder / "shop.yaml"), str(folder / "workspace.yaml"), str(port)]
    with user_interface(command, port, variables, folder / "ui.log") as running:
        yield running


@pytest.fixture
def command(folder: Path, variables: dict[str, str]) -> Iterator[Callable[[str], "subprocess.Popen[bytes]"]]:
    """Starts a command that runs the line, and says where it logs to."""
    for path in folder.glob("go-*"):
        path.unlink()
    (folder / "journal").unlink(missing_ok=True)
    started = []

    def start(log: str) -> "subprocess.Popen[bytes]":
        with open(folder / log, "wb") as output:
            code = [sys.executable, "-W", "ignore", "-c", COMMAND]
            started.append(subprocess.Popen(code, env=variables, stdout=output, stderr=output, start_new_session=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


def wait_for(condition: Any, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.1)


def begun(folder: Path) -> list[str]:
    """The runs that have begun to work, in order."""
    journal = folder / "journal"
    lines = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    return [run_id for what, run_id in lines if what == "begins"]


def test_whoever_starts_a_run_waits_for_the_one_at_work_but_a_rollback_does_not(
    folder: Path, ui: UserInterface, command: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    first = command("first.log")
    wait_for(lambda: begun(folder))
    (run_of_command,) = begun(folder)

    launched = ui.launch(
        assets=["days"],
        tags={
            "test/name": "ui",
            "dagster/asset_partition_range_start": "2026-01-01",
            "dagster/asset_partition_range_end": "2026-01-02",
        },
    )
    second = command("second.log")
    wait_for(lambda: f"waits for run {run_of_command[:8]} of line" in (folder / "second.log").read_text())
    assert ui.wait(ui.launch("rollback")) == "SUCCESS"
    assert (folder / "acted").exists()
    assert begun(folder) == [run_of_command]
    assert ui.status(launched) == "QUEUED"

    shown = ui.ask(
        UNDER_ITS_JOB,
        {
            "filter": {
                "pipelineName": "line",
                "tags": [{"key": ".dagster/repository", "value": f"__repository__@{MODULE}"}],
            }
        },
    )["runsOrError"]["results"]
    assert {run["runId"] for run in shown} >= {run_of_command}
    assert all(run["repositoryOrigin"]["repositoryLocationName"] == MODULE for run in shown)

    third = command("third.log")
    wait_for(lambda: "waits for run" in (folder / "third.log").read_text())
    (waiting,) = {
        run["runId"]
        for run in ui.ask(UNDER_ITS_JOB, {"filter": {"pipelineName": "line"}})["runsOrError"]["results"][:1]
    }
    ui.ask(TERMINATE, {"id": waiting})
    assert third.wait(30) == 1
    assert ui.wait(waiting) == "CANCELED"
    assert "RunError: the run was ended before it was done" in (folder / "third.log").read_text()

    for name in ("command", "ui"):
        (folder / f"go-{name}").touch()
    assert (first.wait(60), second.wait(60), ui.wait(launched)) == (0, 0, "SUCCESS")
    journal = [json.loads(line) for line in (folder / "journal").read_text().splitlines()]
    assert [what for what, _ in journal] == ["begins", "ends"] * 3
    assert all(begin == end for (_, begin), (_, end) in zip(journal[::2], journal[1::2], strict=True))
    assert "Maximum is" not in ui.log.read_text()


def test_a_page_of_another_site_reaches_nothing_that_acts(ui: UserInterface) -> None:
    mutation = "mutation { reloadWorkspace { __typename } }"

    def ask(method: str, path: str = "/graphql", **headers: str) -> int:
        json = {"query": mutation} if method == "POST" else None
        return httpx.request(method, ui.url + path, json=json, headers=headers, timeout=60, trust_env=False).status_code

    own, port = ui.url, ui.url.rpartition(":")[2]
    assert ask("POST") == ask("POST", origin=own) == 200
    assert ask("POST", origin="https://elsewhere.example") == 403
    assert ask("POST", origin="null") == 403
    assert ask("POST", origin=f"http://localhost:{port}") == 403, "another name is another origin"
    assert ask("POST", host=f"localhost:{port}", origin=f"http://localhost:{port}") == 200
    assert ask("POST", "/report_asset_materialization/days", origin="https://elsewhere.example") == 403
    for key in ("query", "%71uery"):
        assert ask("GET", f"/graphql?{key}={quote(mutation)}") == 403
    assert ask("GET", host="elsewhere.example") == 400, "a name that was pointed here"
    assert ask("GET", "/") == ask("GET", "/graphql", accept="text/html") == 200


def test_its_address_and_that_of_the_data_docs_are_told_once_they_answer(
    ui: UserInterface, folder: Path, variables: dict[str, str]
) -> None:
    wait_for(lambda: "Data Docs: " in ui.log.read_text())
    (told,) = [line for line in ui.log.read_text().splitlines() if "Data Docs: " in line]
    assert told.startswith(f"Dagster's UI: {ui.url}, Data Docs: http://127.0.0.1:2")
    docs = told.rpartition(" ")[2]
    assert httpx.get(docs, trust_env=False).status_code == 404, "no page yet"
    for port in (ui.url.rpartition(":")[2], str(free_port())):
        command = [sys.executable, "-c", SERVE, str(folder / "shop.yaml"), str(folder / "workspace.yaml"), port]
        second = subprocess.run(command, env=variables, capture_output=True, text=True, timeout=60)
        taken = port if port in ui.url else docs.rpartition(":")[2]
        assert f"RuntimeError: port {taken} of 127.0.0.1 is taken by process " in second.stderr
        assert f"{sys.executable} -" in second.stderr
        assert "Dagster's UI: " not in second.stdout


def test_a_run_whose_process_was_killed_is_known_to_be_dead_though_its_tags_live_on(
    folder: Path, variables: dict[str, str], command: Callable[[str], "subprocess.Popen[bytes]"]
) -> None:
    """A re-execution inherits the tags of the run before it; it must not be taken for that one's process."""
    first = command("first.log")
    wait_for(lambda: begun(folder))
    with dg.DagsterInstance.from_config(variables["DAGSTER_HOME"]) as instance:
        (run,) = instance.get_runs(dg.RunsFilter(run_ids=begun(folder)))
        launcher = instance.run_launcher
        assert launcher.check_run_worker_health(run).status == WorkerStatus.RUNNING
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        assert launcher.check_run_worker_health(run).status == WorkerStatus.FAILED
        again = instance.create_run_for_job(small_job(), tags=run.tags)
        assert launcher.check_run_worker_health(again).status == WorkerStatus.RUNNING
    assert turns.is_free(folder / "home" / "shop" / "run.lock")


def small_job() -> dg.JobDefinition:
    @dg.op
    def nothing() -> None: ...

    @dg.job
    def small() -> None:
        nothing()

    return small
