from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from serving.api import build_api
from serving.applications import application, merged, release_of, require_ours
from serving.client import EndpointClient, EndpointError, WrongEndpoint
from serving.deploy import DeployError, deploy
from serving.ports import free_port
from serving.settings import AppSettings, EndpointSettings, Owner, ReleaseConfig, SequencesVersion, TableVersion
from serving.slot import ReleaseSlot

SETTINGS = EndpointSettings(port=8123)


def release(version: str, commit: int = 0, profile: str = "shop", lake: str = "/lake") -> ReleaseConfig:
    table = TableVersion(uri="/lake/tables/t", version=commit)
    return ReleaseConfig(
        profile=profile,
        version=version,
        artifact=Path("/lake/artifacts") / version,
        sequences=SequencesVersion(root=lake, version=commit),
        items=table,
    )


def without_user_config(app: dict[str, Any]) -> dict[str, Any]:
    deployment = {key: value for key, value in app["deployments"][0].items() if key != "user_config"}
    return {**app, "deployments": [deployment]}


def test_between_releases_only_the_user_config_differs() -> None:
    a, b = application(SETTINGS, release("a")), application(SETTINGS, release("b"))
    assert a != b
    assert without_user_config(a) == without_user_config(b)


def test_the_configuration_is_valid_for_serve_and_survives_the_way_there() -> None:
    from ray.serve.schema import ServeDeploySchema

    config = merged({"applications": {}}, SETTINGS, application(SETTINGS, release("a")))
    parsed = ServeDeploySchema.model_validate(config)
    assert (parsed.http_options.host, parsed.http_options.port) == ("127.0.0.1", 8123)
    assert ReleaseConfig.model_validate(config["applications"][0]["deployments"][0]["user_config"]) == release("a")


def test_applications_of_others_and_the_running_address_are_kept() -> None:
    other = {"name": "other", "import_path": "other:app", "route_prefix": "/other"}
    live = {
        "proxy_location": "HeadOnly",
        "http_options": {"host": "127.0.0.1", "port": 8123, "request_timeout_s": 1.0},
        "applications": {
            "other": {"deployed_app_config": other},
            "started in Python": {"deployed_app_config": None},
            SETTINGS.app_name: {"deployed_app_config": {"name": SETTINGS.app_name}},
        },
    }
    ours = application(SETTINGS, release("a"))
    assert merged(live, SETTINGS, ours) == {
        "proxy_location": "HeadOnly",
        "http_options": live["http_options"],
        "applications": [other, ours],
    }


def running(*apps: dict[str, Any]) -> dict[str, Any]:
    """Serve's account of a cluster that runs `apps`."""
    return {
        "applications": {
            app["name"]: {"status": "RUNNING", "route_prefix": app["route_prefix"], "deployed_app_config": app}
            for app in apps
        }
    }


def test_a_deployed_application_tells_its_release() -> None:
    assert release_of(application(SETTINGS, release("a"))) == release("a")
    assert release_of(None) is None
    assert release_of({"name": "x", "import_path": "other:app"}) is None
    assert (
        release_of({**application(SETTINGS, release("a")), "deployments": [{"user_config": {"surprise": 1}}]}) is None
    )


def test_a_profile_replaces_its_own_application() -> None:
    live = running(application(SETTINGS, release("a")))
    require_ours(live, SETTINGS, release("b", 7).owner)
    unnamed = running(application(SETTINGS, release("a", profile="")))
    require_ours(unnamed, SETTINGS, release("b").owner)


@pytest.mark.parametrize("other", [release("a", profile="other"), release("a", lake="/elsewhere")])
def test_another_profiles_application_is_not_taken_over(other: ReleaseConfig) -> None:
    live = running(application(SETTINGS, other))
    whose = f"profile {other.profile} with the lake {other.sequences.root}"
    with pytest.raises(DeployError, match=rf"'genrec' on this cluster is that of {whose}.*set endpoint\.app_name"):
        require_ours(live, SETTINGS, release("b").owner)


def test_what_others_run_under_our_name_is_not_taken_over() -> None:
    live = running({"name": SETTINGS.app_name, "route_prefix": "/x", "import_path": "other:app"})
    with pytest.raises(DeployError, match=r"that of another program, not of profile shop with the lake /lake"):
        require_ours(live, SETTINGS, release("b").owner)
    started_in_python = {"applications": {SETTINGS.app_name: {"deployed_app_config": None, "route_prefix": "/x"}}}
    with pytest.raises(DeployError, match="another program"):
        require_ours(started_in_python, SETTINGS, release("b").owner)


def test_another_applications_path_is_refused() -> None:
    theirs = SETTINGS.model_copy(update={"app_name": "theirs"})
    live = running(application(theirs, release("a", profile="other")))
    with pytest.raises(DeployError, match=r"the path / .* 'theirs' of profile other .*set endpoint\.route_prefix"):
        require_ours(live, SETTINGS, release("b").owner)
    require_ours(live, SETTINGS.model_copy(update={"route_prefix": "/shop"}), release("b").owner)


def test_an_application_that_is_being_ended_is_in_nobodys_way() -> None:
    live = running(application(SETTINGS, release("a", profile="other")))
    live["applications"][SETTINGS.app_name]["status"] = "DELETING"
    require_ours(live, SETTINGS, release("b").owner)


def test_an_owner_without_a_name_is_told_by_the_lake() -> None:
    assert Owner(profile="", lake="/a").same(Owner(profile="x", lake="/a"))
    assert not Owner(profile="", lake="/a").same(Owner(profile="x", lake="/b"))
    assert not Owner(profile="y", lake="/a").same(Owner(profile="x", lake="/a"))


def test_ending_an_application_keeps_the_others() -> None:
    other = {"name": "other", "import_path": "other:app", "route_prefix": "/other"}
    live = running(application(SETTINGS, release("a")), other)
    assert merged(live, SETTINGS, None)["applications"] == [other]


def test_releases_of_one_version_with_other_tables_are_told_apart() -> None:
    assert release("a", 1).fingerprint == release("a", 1).fingerprint
    assert release("a", 1).fingerprint != release("a", 2).fingerprint


def test_paths_that_mean_something_else_on_a_replica_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"lake/tables/items .*: give the absolute path"):
        TableVersion(uri="lake/tables/items", version=0)
    with pytest.raises(ValidationError, match=r"artifacts/a .*: give the absolute path"):
        release("a").model_validate({**release("a").model_dump(), "artifact": "artifacts/a"})
    assert TableVersion(uri="s3://bucket/items", version=0).uri == "s3://bucket/items"


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        (EndpointSettings(port=8123), "http://127.0.0.1:8123"),
        (EndpointSettings(host="0.0.0.0", port=80, route_prefix="/rec"), "http://127.0.0.1:80/rec"),
        (EndpointSettings(url="https://recommend.example/"), "https://recommend.example"),
    ],
)
def test_the_address_for_clients(settings: EndpointSettings, url: str) -> None:
    assert settings.base_url == url


def test_unknown_settings_are_errors() -> None:
    with pytest.raises(ValidationError, match="prot"):
        EndpointSettings.model_validate({"prot": 8000})


def test_a_cluster_that_is_not_there_is_one_sentence() -> None:
    dashboard = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(DeployError, match=f"Ray dashboard at {dashboard} did not take the request"):
        deploy(SETTINGS, release("a"), dashboard)


def test_an_endpoint_that_is_not_there_is_one_sentence() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    with EndpointClient(url) as client, pytest.raises(EndpointError, match=f"{url} does not answer") as caught:
        client.status()
    assert caught.value.status_code is None


def test_an_endpoint_of_another_profile_or_version_is_not_taken_for_ours(
    slot: ReleaseSlot, config: ReleaseConfig
) -> None:
    slot.replace(config.model_copy(update={"profile": "theirs"}).model_dump(mode="json"))
    with EndpointClient("http://endpoint") as client, TestClient(build_api(slot, AppSettings())) as http:
        client._http = http  # type: ignore[assignment]
        client.base_url = ""
        assert client.require("theirs", "v1").profile == "theirs"
        with pytest.raises(WrongEndpoint, match="belongs to profile theirs, not ours"):
            client.require("ours", "v1")
        with pytest.raises(WrongEndpoint, match="serves version v1, but champion of profile theirs is v2"):
            client.require("theirs", "v2")
