"""What is deployed, and the example that is shown: a tiny lake, a real HTTP server."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import uvicorn

from assets.endpoint.example import ask_for_example, example_table
from assets.endpoint.rollout import NoChampion, champion_release, positive_actions
from assets.versions import releases_of
from serving.api import build_api
from serving.applications import release_of
from serving.client import EndpointClient
from serving.loaded import LoadError, load_release, read_storage_options
from serving.ports import free_port
from serving.settings import IMPORT_PATH, AppSettings
from serving.slot import ReleaseSlot
from storage.lake import Lake
from tests.serving.world import World


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    World(tmp_path).release("v1")
    return Lake(str(tmp_path))


@pytest.fixture
def client(lake: Lake) -> Iterator[EndpointClient]:
    """The endpoint's own application, serving the champion over HTTP."""
    releases_of(lake).promote("v1", "the first one")
    slot, port = ReleaseSlot(), free_port()
    slot.replace(champion_release(lake, "shop").model_dump(mode="json"))
    server = uvicorn.Server(uvicorn.Config(build_api(slot, AppSettings()), "127.0.0.1", port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    with EndpointClient(f"http://127.0.0.1:{port}") as found:
        yield found
    server.should_exit = True
    thread.join()


def test_without_a_champion_there_is_nothing_to_deploy(lake: Lake) -> None:
    releases_of(lake).reject("v1", "popularity is better")
    with pytest.raises(NoChampion, match="popularity is better"):
        champion_release(lake, "shop")


def test_credentials_reach_the_replicas_by_a_file_that_only_their_user_reads(tmp_path: Path, lake: Lake) -> None:
    releases_of(lake).promote("v1", "the first one")
    secret = {"AWS_SECRET_ACCESS_KEY": "hush", "AWS_REGION": "eu-west-1"}
    release = champion_release(replace(lake, storage_options=secret), "shop")
    assert "hush" not in release.model_dump_json()
    assert release.storage_options is not None
    assert read_storage_options(release.storage_options) == secret
    assert Path(release.storage_options).stat().st_mode & 0o777 == 0o600
    assert load_release(release).config == release
    rotated = champion_release(replace(lake, storage_options=secret | {"AWS_SECRET_ACCESS_KEY": "new"}), "shop")
    assert rotated == release
    assert read_storage_options(release.storage_options)["AWS_SECRET_ACCESS_KEY"] == "new"
    Path(release.storage_options).unlink()
    with pytest.raises(LoadError, match=r"shop-storage\.json, .* cannot be read \(FileNotFoundError\): deploy again"):
        load_release(release)


def test_an_application_of_an_older_version_is_told_by_its_owner(lake: Lake) -> None:
    releases_of(lake).promote("v1", "the first one")
    release = champion_release(lake, "shop")
    older = release.model_dump(mode="json") | {"storage_options": {"AWS_REGION": "eu-west-1"}}
    told = release_of({"import_path": IMPORT_PATH, "deployments": [{"user_config": older}]})
    assert told is not None
    assert told.owner == release.owner


def test_the_champion_comes_with_the_newest_tables_pinned(tmp_path: Path, lake: Lake) -> None:
    releases_of(lake).promote("v1", "the first one")
    before = champion_release(lake, "shop")
    assert (before.version, before.artifact) == ("v1", tmp_path / "artifacts" / "hstu" / "v1")
    assert (before.sequences.version, before.items.version) == (0, 0)
    World(tmp_path).histories(World(tmp_path).sequences(int))
    after = champion_release(lake, "shop")
    assert (after.sequences.version, after.items.version) == (1, 0)


def test_the_example_is_the_user_with_the_most_positives_newest_first(lake: Lake, client: EndpointClient) -> None:
    assert positive_actions(lake, "v1") == ["like"]
    example = ask_for_example(lake, client, ["like"], length=10)
    assert example.user_id == 100
    assert example.history["item_id"].to_list() == [3, 2, 1]
    assert example.history["title"].to_list() == ["Item 3, renamed", "Item 2", "Item 1"]
    assert example.answer.version == "v1"
    assert not {item.item_id for item in example.answer.items} & {1, 2, 3}


def test_enough_positives_are_enough_and_the_lowest_id_decides(lake: Lake, client: EndpointClient) -> None:
    """Users 100 and 300 both have one positive or more; with length 1 neither tells more than the other."""
    example = ask_for_example(lake, client, ["like"], length=1)
    assert example.user_id == 100
    assert example.history["item_id"].to_list() == [3]


def test_the_table_shows_both_sides_to_the_length_of_the_longer(lake: Lake, client: EndpointClient) -> None:
    frame = example_table(ask_for_example(lake, client, ["like"], length=5))
    assert frame.columns == ["user 100 liked (newest first)", "is recommended"]
    assert frame.rows()[1][0] == "Item 2 (even)"
    assert frame.height == 5
    assert frame.rows()[3][0] == ""
    assert all(recommended.startswith("Item ") for _, recommended in frame.rows())
