"""The environment of every process of the platform, and where its state lies: the one module that sets either.

Ray, Dagster and the encoders read these variables when they are imported or started, so every process that we start
gets them, and a process that someone else started (a code location of `dagster dev`) applies them first thing.
"""

import json
import os
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from models.cores import CORES_VARIABLE, available
from orchestration import collector
from storage.owner import claim
from storage.places import absolute, is_uri, plain
from storage.secret_file import write_secret

if TYPE_CHECKING:
    from orchestration.profile import Profile

HOME_VARIABLE = "GENREC_HOME"
PROFILE_VARIABLE = "GENREC_PROFILE"
DEFAULT_PROFILE = "demo"
# `assets.partitions` reads these when it is imported, so this module must not import it for their names.
FIRST_DAY_VARIABLE = "GENREC_FIRST_DAY"
LAST_DAY_VARIABLE = "GENREC_LAST_DAY"
PARTITIONS_VARIABLE = "GENREC_PARTITIONS"

UI_HOSTS_VARIABLE = "GENREC_UI_HOSTS"
"""Names by which browsers may call the UI, with commas between, in addition to those of this machine."""

FIXED = {
    # Threads that have nothing to do otherwise spin for a while, and take the cores of every other process: ten times
    # the time for a small model beside a busy neighbour.
    "OMP_WAIT_POLICY": "PASSIVE",
    # Ray turns token auth on or off by what it finds on the machine unless every process says the same.
    "RAY_AUTH_MODE": "token",
    # Off, Ray takes 127.0.0.1 as the node's address and every one of its servers binds there; on, they bind 0.0.0.0.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    # Ray otherwise gives all its workers, replicas too, the lowest priority but for four. Here those that train have it
    # (`assets.ray_cluster`), and requests do not wait for them.
    "RAY_worker_niceness": "0",
    # A head with live Serve replicas otherwise takes 30 s to stop.
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "1",
    # A short run otherwise spends a third of its time waiting for the next poll of the workers.
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.2",
    # Each training otherwise starts a process that tells workers which node is about to be taken away. They do not ask:
    # every epoch leaves a checkpoint.
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_SERVE_DEFAULT_HTTP_HOST": "127.0.0.1",
    "RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH": "serving.door:middlewares",
    # A request otherwise passes two more threads in the proxy and one in the replica, which work in their own anyway.
    "RAY_SERVE_RUN_ROUTER_IN_SEPARATE_LOOP": "0",
    "RAY_SERVE_RUN_USER_CODE_IN_SEPARATE_THREAD": "0",
    # A dead proxy is replaced after three failed checks: 30 s with Ray's own period of 10 s.
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",
    "RAY_SERVE_PROXY_HEALTH_CHECK_TIMEOUT_S": "5",
    "DAGSTER_DISABLE_TELEMETRY": "1",
    # A run says so much of its days at once (`orchestration.event_log`); without it each event is written by itself.
    "DAGSTER_EVENT_BATCH_SIZE": "1000",
    "GX_ANALYTICS_ENABLED": "false",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    # Polars' allocator otherwise hands freed pages back at once, and every batch pays for them again.
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:1000,muzzy_decay_ms:0",
}

OPENMP_THREADS = "OMP_NUM_THREADS"
"""How many threads torch, OpenMP and BLAS may start."""

PRIVATE = 0o077
"""The mask of new files and folders: 0600 and 0700."""

DAGSTER_YAML = """\
telemetry:
  enabled: false
nux:
  enabled: false
storage:
  custom:
    module: orchestration.run_storage
    class: RunStorage
    config:
      base_dir: {folder}
run_coordinator:
  module: orchestration.run_queue
  class: RunQueue
  config:
    max_concurrent_runs: -1
    tag_concurrency_limits:
      - key: genrec/takes_turns
        limit: 1
    dequeue_interval_seconds: 1
run_launcher:
  module: orchestration.run_queue
  class: RunLauncher
run_retries:
  enabled: true
  max_retries: 1
  retry_on_asset_or_op_failure: false
python_logs:
  python_log_level: INFO
run_monitoring:
  enabled: true
  poll_interval_seconds: 30
"""


def home() -> Path:
    """The folder of all state: `GENREC_HOME`, else `.genrec` in the working directory.

    Raises:
        ValueError: its path is no UTF-8.
    """
    return absolute(os.environ.get(HOME_VARIABLE) or ".genrec", HOME_VARIABLE)


def state_folder(profile_name: str) -> Path:
    """What one profile keeps: its lake unless that is elsewhere, landing files, and Dagster's record of its runs."""
    return _made(home() / profile_name)


def run_lock(profile: "Profile") -> Path:
    """Whoever holds it is the one run that works on the profile's tables."""
    return Path(state_folder(profile.name) if is_uri(profile.lake_root) else profile.lake_root) / "run.lock"


def ray_folder() -> Path:
    """Record, token and log of the local Ray head, which all profiles share."""
    return _made(home() / "ray")


def ray_token_path() -> Path:
    """The token that this home's Ray clusters ask for, drawn once and readable by its owner only."""
    path = ray_folder() / "token"
    if not path.exists():
        write_secret(path, secrets.token_hex(32))
    return path


def dagster_home(profile_name: str) -> Path:
    """Dagster's instance folder of a profile, with its `dagster.yaml` written.

    It is the plain path of that folder, for Dagster writes it into database URLs.
    """
    folder = plain(_made(state_folder(profile_name) / "dagster"))
    settings, text = folder / "dagster.yaml", DAGSTER_YAML.format(folder=json.dumps(str(folder)))
    if not settings.exists() or settings.read_text() != text:
        settings.write_text(text)
    return folder


def variables(profile: "Profile") -> dict[str, str]:
    """What the platform sets, without what the caller's environment adds."""
    cores = profile.cores or available()
    return FIXED | {
        CORES_VARIABLE: str(cores),
        **{name: str(_fewer(os.environ.get(name, ""), cores)) for name in (OPENMP_THREADS, "POLARS_MAX_THREADS")},
        HOME_VARIABLE: str(home()),
        PROFILE_VARIABLE: profile.origin,
        FIRST_DAY_VARIABLE: profile.start().isoformat(),
        LAST_DAY_VARIABLE: profile.last_day.isoformat() if profile.last_day else "",
        PARTITIONS_VARIABLE: profile.partitioned_by(),
        "DAGSTER_HOME": str(dagster_home(profile.name)),
        "RAY_AUTH_TOKEN_PATH": str(ray_token_path()),
        # As in `serving.door`, which would bring the web framework into every process.
        "GENREC_DOOR": json.dumps(profile.endpoint.get("door", {})),
    }


def _fewer(given: str, cores: int) -> int:
    """Whoever starts the platform with fewer threads wants it so."""
    return min(cores, int(given)) if given.isdigit() and int(given) else cores


def child_environment(profile: "Profile") -> dict[str, str]:
    """The whole environment for a process started on behalf of `profile`."""
    return dict(os.environ) | variables(profile)


def apply(profile: "Profile") -> None:
    """Gives this very process and all that it starts the environment; call it before importing anything of `assets`.

    What they write is for this user alone: logs name people.

    Raises:
        OwnedByAnother: another profile of this name keeps its state here.
    """
    collector.adapt()
    os.umask(PRIVATE)
    claim(str(state_folder(profile.name)), profile.name, profile.origin)
    os.environ.update(variables(profile))


def _made(folder: Path) -> Path:
    home().mkdir(0o700, parents=True, exist_ok=True)
    folder.mkdir(0o700, parents=True, exist_ok=True)
    return folder
