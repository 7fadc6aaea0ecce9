"""What `genrec status` says of a real endpoint, and how it exits."""

import json
import subprocess
import sys
import threading
import time
from io import StringIO
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from rich.console import Console

from assets.versions import releases_of
from models.auto import Choice
from orchestration.status import Serving, Status, _problem, status_table
from serving.api import build_api
from serving.ports import free_port
from serving.settings import AppSettings
from serving.slot import ReleaseSlot
from storage.lake import Lake
from tests.serving.world import World


def status(profile: Path) -> tuple[int, dict[str, Any]]:
    genrec = str(Path(sys.executable).with_name("genrec"))
    done = subprocess.run([genrec, "status", "--json", "-p", str(profile)], capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


def test_a_release_that_was_not_loaded_is_told_though_the_old_one_answers(tmp_path: Path) -> None:
    world, lake, port = World(tmp_path / "lake"), Lake(str(tmp_path / "lake")), free_port()
    profile = tmp_path / "shop.yaml"
    content = {"first_day": "2026-01-01", "source": {"kind": "demo_world"}, "training": {"positive_actions": ["click"]}}
    profile.write_text(yaml.safe_dump({**content, "lake": {"root": lake.root}, "endpoint": {"port": port}}))
    release = world.release("v1").model_copy(update={"profile": "shop"})
    releases_of(lake).promote("v1", "the first one")
    slot = ReleaseSlot()
    slot.replace(release.model_dump(mode="json"))
    server = uvicorn.Server(uvicorn.Config(build_api(slot, AppSettings()), "127.0.0.1", port, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        code, told = status(profile)
        assert (code, told["problem"], told["serving"]["version"]) == (0, None, "v1")
        missing = release.model_copy(update={"version": "v2", "artifact": tmp_path / "[missing]"})
        slot.replace(missing.model_dump(mode="json"))
        code, told = status(profile)
        assert (code, told["serving"]["alive"], told["serving"]["version"]) == (1, True, "v1")
        assert "[missing]" in told["serving"]["error"]
        assert told["problem"].startswith("the endpoint did not load what it was told to serve: ")
    finally:
        server.should_exit = True
        thread.join()


def test_each_thing_that_is_not_as_it_should_be_is_a_sentence() -> None:
    def problem(champion: str | None, **serving: Any) -> str | None:
        return _problem("shop", champion, Serving(**{"alive": True, "profile": "shop", "version": "a", **serving}))

    assert problem("a") is None
    assert problem(None, alive=False) is None
    assert problem("a", profile=None) is None
    assert "nothing answers: run `genrec up`" in str(problem("a", alive=False, version=None))
    assert "belongs to profile other" in str(problem("a", profile="other"))
    assert "serves a, but champion is b: materialize 'endpoint'" in str(problem("b"))


def test_what_the_data_decided_is_shown_with_its_reason() -> None:
    chosen = {"training.optimisation.epochs": Choice(value=33, reason="1,912 users make 60 steps an epoch.")}
    status = Status(
        profile="shop",
        champion="a",
        evaluated="a",
        endpoint="http://127.0.0.1:8000/shop",
        serving=Serving(alive=True, version="a"),
        problem=None,
        metrics={},
        chosen=chosen,
        seconds={},
    )
    console = Console(width=200, file=StringIO(), record=True)
    console.print(status_table(status))
    shown = console.export_text()
    (line,) = (line for line in shown.splitlines() if "training.optimisation.epochs" in line)
    assert "33" in line
    assert "1,912 users make 60 steps an epoch." in line
    assert Status.model_validate_json(status.model_dump_json()) == status
