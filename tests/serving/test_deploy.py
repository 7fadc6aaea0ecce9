from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from serving.client import EndpointClient, EndpointError
from serving.deploy import DeployError, application, deploy, merged
from serving.ports import free_port
from serving.settings import EndpointSettings, ReleaseConfig, SequencesVersion, TableVersion

SETTINGS = EndpointSettings(port=8123)


def release(version: str, commit: int = 0) -> ReleaseConfig:
    table = TableVersion(uri="/lake/tables/t", version=commit)
    return ReleaseConfig(
        version=version,
        artifact=Path("/lake/artifacts") / version,
        sequences=SequencesVersion(root="/lake", version=commit),
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


def test_releases_of_one_version_with_other_tables_are_told_apart() -> None:
    assert release("a", 1).fingerprint == release("a", 1).fingerprint
    assert release("a", 1).fingerprint != release("a", 2).fingerprint


def test_paths_that_mean_something_else_on_a_replica_are_refused() -> None:
    with pytest.raises(ValidationError, match="is relative"):
        TableVersion(uri="lake/tables/items", version=0)
    with pytest.raises(ValidationError, match="is relative"):
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
