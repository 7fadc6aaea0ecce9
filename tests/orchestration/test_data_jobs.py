"""What the endpoint is told when a person is forgotten."""

import json
import threading
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.endpoint.rollout import champion_release
from assets.privacy.forget import forget
from assets.resources import RayCluster, Storage
from assets.sources.settings import open_source
from assets.versions import artifacts_of, releases_of
from orchestration.data_jobs import forgetting
from serving.ports import free_port
from serving.schema import EndpointStatus
from serving.settings import EndpointSettings
from storage.lake import Lake
from storage.schema import items_schema
from tests.assets.privacy.test_forget import PERSON, REASON, rows
from tests.assets.sequences.test_build import put, update

STATUS = EndpointStatus(
    version="v1",
    release="r",
    desired_version="v1",
    desired_release="r",
    loading=False,
    last_error=None,
    data_cutoff=None,
    items=1,
    users=1,
    loaded_at=None,
    load_seconds=None,
    replica="one",
    model_failures=0,
    last_failure=None,
)


NAMED = {"env": "GENREC_FORGET_USER"}


class Remembering(BaseHTTPRequestHandler):
    """An endpoint that answers, on a cluster that cannot be reached."""

    def do_GET(self) -> None:
        body = STATUS.model_dump_json().encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    put(lake, rows(["anna", "bert"]), 0)
    update(lake)
    lake.overwrite("items", pl.DataFrame([{"item_id": "i0"}], schema=items_schema("string")))
    releases_of(lake).promote("v1", "first")
    return lake


@pytest.fixture
def endpoint() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Remembering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def run(
    lake: Lake, port: int, monkeypatch: pytest.MonkeyPatch, user: object = NAMED, holds: str = str(PERSON.user)
) -> dg.ExecuteInProcessResult:
    """The job, with `user` in the launchpad and the id `holds` in the environment."""
    monkeypatch.setenv("GENREC_FORGET_USER", holds)
    landing = str(Path(lake.root).parent / "landing")
    source = {"kind": "files"} | {table: {"path": f"{landing}/{table}.csv"} for table in ("events", "items")}
    with dg.instance_for_test() as instance:
        try:
            return forgetting.execute_in_process(
                run_config={"ops": {"forget_user": {"config": {"user": user}}}},
                instance=instance,
                raise_on_error=False,
                resources={
                    "lake": Storage(root=lake.root),
                    "source": open_source(source, landing=landing, first_day=date(2026, 1, 1)),
                    "endpoint": EndpointSettings.model_validate({"port": port}),
                    "ray": RayCluster(dashboard=f"http://127.0.0.1:{free_port()}"),
                },
            )
        except dg.DagsterInvalidConfigError:
            assert not instance.get_runs()
            raise


def test_an_endpoint_that_cannot_be_told_fails_the_run_and_says_so(
    lake: Lake, endpoint: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(lake, endpoint, monkeypatch)
    assert not result.success
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    said = failure.user_failure_data.description
    assert said is not None
    assert said.startswith("the tables have forgotten the person, but the endpoint has not (")
    assert said.endswith("materialize 'endpoint'")


def test_without_an_endpoint_there_is_nobody_to_tell(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(lake, free_port(), monkeypatch).success


def test_a_file_that_still_names_the_person_fails_the_run(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = Path(lake.root) / "notes.json"
    notes.write_text(json.dumps({"user_id": PERSON.user}))
    result = run(lake, free_port(), monkeypatch)
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert failure.user_failure_data is not None
    assert str(notes) in str(failure.user_failure_data.description)


def test_the_release_that_is_deployed_again_is_another_one_and_knows_the_person_no_more(lake: Lake) -> None:
    (artifacts_of(lake) / "v1").mkdir(parents=True)
    before = champion_release(lake, "shop")
    forget(lake, PERSON, REASON)
    after = champion_release(lake, "shop")
    assert after.fingerprint != before.fingerprint
    for release in (before, after):
        assert [user for part in release.sequences.open({}).parts() for user in part.users] == ["bert"]


@pytest.mark.parametrize("user", ["d41d8cd98f00b204", {"env": "d41d8cd98f00b204"}, {"env": "HOME"}, 7])
def test_an_id_is_refused_at_launch_before_anything_is_stored(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, user: object
) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        run(lake, free_port(), monkeypatch, user)


def test_the_launchpad_needs_no_word_and_nobody_named_is_a_sentence(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(lake, free_port(), monkeypatch, {}).success
    result = run(lake, free_port(), monkeypatch, holds="")
    (failure,) = [event.step_failure_data for event in result.all_events if event.is_step_failure]
    assert "nobody is named: run `genrec forget USER`" in str(failure.user_failure_data)
