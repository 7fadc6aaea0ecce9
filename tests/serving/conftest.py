from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from fastapi.testclient import TestClient

from serving.api import build_api
from serving.loaded import LoadedRelease, load_release
from serving.settings import AppSettings, ReleaseConfig
from serving.slot import ReleaseSlot
from tests.serving.world import World


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> ReleaseConfig:
    return World(tmp_path_factory.mktemp("world")).release("v1")


@pytest.fixture(scope="session")
def release(config: ReleaseConfig) -> LoadedRelease:
    return load_release(config)


@pytest.fixture
def slot(config: ReleaseConfig) -> ReleaseSlot:
    slot = ReleaseSlot()
    slot.replace(config.model_dump(mode="json"))
    return slot


@pytest.fixture
def http(slot: ReleaseSlot) -> Iterator[TestClient]:
    with TestClient(build_api(slot, AppSettings(body_limit_bytes=4096)), raise_server_exceptions=False) as client:
        yield client
