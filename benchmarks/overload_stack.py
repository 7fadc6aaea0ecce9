"""The endpoint and a no-op deployment on a Ray head of their own, started as `genrec up` and the line start theirs."""

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from benchmarks.overload_world import overload_release
from orchestration import environment, local_stack
from orchestration.profile import Profile, load_profile
from serving.cluster import ServeCluster
from serving.deploy import deploy
from serving.ports import free_port
from serving.settings import EndpointSettings

HOME = "home"
NOOP = "noop"
START_S = 60
TOKEN = secrets.token_hex(32)

NO_LIMIT = {"at_once": 1_000_000, "waiting": 0, "longest_wait_s": 1000}
UNGUARDED = {
    "door": NO_LIMIT,
    "app": {"admission": NO_LIMIT},
    "replicas": 1,
    "max_ongoing_requests": 32,
    "max_queued_requests": 256,
}
"""An endpoint without admission: one replica takes 32 requests, Serve's router keeps 256 waiting."""


@dataclass(frozen=True)
class Stack:
    """Where the two answer."""

    endpoint: str
    noop: str


@contextmanager
def running_stack(folder: Path, endpoint: dict[str, Any]) -> Iterator[Stack]:
    """Starts head, endpoint and no-op, and stops them in the end; several may run beside each other.

    Args:
        folder: Empty; holds everything.
        endpoint: The profile's section `endpoint`, but for the port.
    """
    path = _profile(folder, endpoint)
    _share_token(folder / HOME)
    try:
        with _applied(path) as profile:
            local_stack.up(profile)
            settings = EndpointSettings.model_validate(profile.endpoint)
            deploy(settings, overload_release(folder / "lake", profile.name), profile.ray.dashboard_url)
            _deploy_noop(ServeCluster(profile.ray.dashboard_url), settings)
        yield Stack(f"{settings.base_url}/v1/recommendations", f"{settings.base_url}/{NOOP}")
    finally:
        with _applied(path) as profile:
            local_stack.down()


@contextmanager
def _applied(path: Path) -> Iterator[Profile]:
    """This process with the profile's environment, and a home beside the profile, for the length of the block."""
    before = dict(os.environ)
    os.environ[environment.HOME_VARIABLE] = str(path.parent / HOME)
    try:
        profile = load_profile(str(path))
        environment.apply(profile)
        yield profile
    finally:
        os.environ.clear()
        os.environ.update(before)


def _share_token(home: Path) -> None:
    """Ray reads a process's token once, so all heads that one process talks to have the same."""
    token = home / "ray" / "token"
    token.parent.mkdir(parents=True)
    token.touch(mode=0o600)
    token.write_text(TOKEN)


def _profile(folder: Path, endpoint: dict[str, Any]) -> Path:
    path = folder / "overload.yaml"
    content = {
        "first_day": "2026-01-01",
        "source": {"kind": "demo_world"},
        "training": {"positive_actions": ["click"]},
        "endpoint": {"port": free_port(), **endpoint},
        "ray": {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 200},
    }
    path.write_text(yaml.safe_dump(content))
    return path


def _deploy_noop(cluster: ServeCluster, settings: EndpointSettings) -> None:
    """With the endpoint's own number of replicas and limits, so that only the work differs."""
    limits = ("num_replicas", "max_ongoing_requests", "max_queued_requests", "ray_actor_options")
    with cluster.alone():
        live = cluster.details()
        ours = live["applications"][settings.app_name]["deployed_app_config"]
        given = {name: value for name, value in ours["deployments"][0].items() if name in limits}
        noop = {
            "name": NOOP,
            "route_prefix": f"/{NOOP}",
            "import_path": "benchmarks.overload_noop:app",
            "deployments": [{"name": "Noop", **given}],
        }
        kept = {name: live[name] for name in ("proxy_location", "http_options")}
        cluster.put({**kept, "applications": [ours, noop]})
    deadline = time.monotonic() + START_S
    while cluster.details()["applications"].get(NOOP, {}).get("status") != "RUNNING":
        if time.monotonic() > deadline:
            raise RuntimeError(f"the no-op deployment does not run after {START_S} s")
        time.sleep(0.2)
