"""The local Ray head: started, found again, survived by nothing."""

import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from orchestration import environment, local_stack
from orchestration.profile import Profile, load_profile
from serving.ports import free_port


@pytest.fixture
def profile(tmp_path: Path) -> Iterator[Profile]:
    path = tmp_path / "shop.yaml"
    ports = {"port": free_port(), "dashboard_port": free_port(), "object_store_mb": 100}
    content = {"first_day": "2026-01-01", "source": {"kind": "demo_world"}, "training": {"positive_actions": ["click"]}}
    path.write_text(yaml.safe_dump({**content, "ray": ports}))
    profile = load_profile(str(path))
    yield profile
    local_stack.down()


def test_a_taken_port_is_named_with_its_setting(profile: Profile) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", profile.ray.dashboard_port))
        other.listen()
        with pytest.raises(local_stack.StackError, match=rf"port {profile.ray.dashboard_port} .*ray\.dashboard_port"):
            local_stack.up(profile)
    assert not local_stack.down()


def test_a_head_that_ends_at_once_is_told_with_its_last_words(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_stack, "_start_arguments", lambda *_: ["start", "--no-such-option"])
    with pytest.raises(local_stack.StackError, match=r"did not start .*no-such-option"):
        local_stack.up(profile)
    assert not (environment.ray_folder() / "head.json").exists()


def test_a_stale_record_of_a_reused_id_harms_nobody(profile: Profile) -> None:
    """The record names this test's own process id with another start time."""
    (environment.ray_folder() / "head.json").write_text(
        f'{{"process": {{"pid": {os.getpid()}, "started": 1, "boot": "x"}}, "temp": "/nonexistent", "command": []}}'
    )
    assert not local_stack.running(profile.ray)
    assert not local_stack.down()


@pytest.mark.cluster
def test_life_of_a_head(profile: Profile, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The environment is in a folder whose name Ray's commands would make several words of."""
    odd = tmp_path / "My Projects ü [x]"
    odd.symlink_to(sys.prefix)
    monkeypatch.setattr(sys, "prefix", str(odd))
    monkeypatch.setattr(sys, "executable", str(odd / "bin" / "python"))
    assert local_stack.up(profile)
    assert not local_stack.up(profile), "a second `up` must find the head running"
    assert local_stack.running(profile.ray)
    assert _node_address_seen_by_a_driver(profile) == "127.0.0.1"

    head = local_stack._recorded()
    assert head
    members = head.process.session()
    assert len(members) > 3
    assert _listening_addresses(members) == {"127.0.0.1"}
    assert stat.S_IMODE(Path(head.temp).stat().st_mode) == 0o700, "others reach what Ray opens to everybody"
    assert Path(head.temp, "r", "session_latest").is_dir()

    os.kill(head.process.pid, signal.SIGKILL)
    assert head.process.session(), "Ray's servers outlive `ray start`, or this test shows nothing"
    assert local_stack.down()
    assert head.process.session() == []
    assert not Path(head.temp).exists()
    assert not local_stack.down()


def _node_address_seen_by_a_driver(profile: Profile) -> str:
    """From a process of its own, with the environment that every driver gets."""
    code = f"import ray; ray.init(address={profile.ray.gcs_address!r}); print(ray.util.get_node_ip_address())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment.child_environment(profile),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.split()[-1]


def _listening_addresses(pids: list[int]) -> set[str]:
    """Local addresses of the TCP sockets that these processes listen on (/proc/net/tcp, state 0A)."""
    inodes = {os.readlink(link) for pid in pids for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in inodes:
                words = bytes.fromhex(fields[1].split(":")[0])
                packed = b"".join(words[i : i + 4][::-1] for i in range(0, len(words), 4))
                found.add(socket.inet_ntop(family, packed).removeprefix("::ffff:"))
    return found
