"""Head and endpoint of a profile together: started, watched, and stopped once what was asked is answered."""

import time
from collections.abc import Callable
from pathlib import Path

from orchestration import local_stack
from orchestration.environment import state_folder
from orchestration.profile import Profile
from serving.client import EndpointClient, EndpointError
from serving.settings import EndpointSettings

WATCH_SECONDS = 2.0
PATIENCE = 5
"""So often in a row the endpoint may fail to answer before it is deployed again; Serve replaces replicas by itself."""

Report = Callable[[str], None]


def up(profile: Profile, report: Report) -> None:
    """Starts what does not run yet: the local head, and the champion at the endpoint.

    Raises:
        StackError: the head cannot be started.
        DeployError: the champion cannot be deployed.
    """
    up_head(profile, report)
    _wish(profile).touch()
    if profile.ray.mode != "inline":
        report(_up_endpoint(profile))


def up_head(profile: Profile, report: Report) -> None:
    """Starts the local head unless it runs, or the profile uses another cluster.

    Raises:
        StackError: it cannot be started.
    """
    if profile.ray.mode == "local":
        started = local_stack.up(profile)
        report(f"Ray head {'started' if started else 'runs already'}: {profile.ray.dashboard_url}")


def watch(profile: Profile, report: Report) -> None:
    """Starts head and endpoint, and again what dies, until `genrec down`.

    Raises:
        StackError: the head cannot be started.
    """
    up_head(profile, report)
    _wish(profile).touch()
    silent = PATIENCE
    while _wanted(profile):
        headless = profile.ray.mode == "local" and not local_stack.running(profile.ray)
        silent = 0 if _answering(profile) else silent + 1
        if (headless or silent >= PATIENCE) and _wanted(profile):
            _tried(profile, report)
            silent = 0
        time.sleep(WATCH_SECONDS)
    report("`genrec down` was run, so there is nothing to watch")


def _tried(profile: Profile, report: Report) -> None:
    """Starts what does not run; an endpoint that cannot be started now may be when it is tried again.

    Raises:
        StackError: the head cannot be started.
    """
    try:
        up(profile, report)
    except local_stack.StackError:
        raise
    except (RuntimeError, LookupError, OSError) as error:
        report(f"the endpoint cannot be started, which is tried again: {error}")


def down(profile: Profile, everything: bool, report: Report) -> None:
    """Ends the profile's endpoint once it has answered what it was asked, and the head if it serves nobody else.

    Args:
        everything: Stop the head although it serves other profiles.
    """
    # First of all, or a watcher would take the end of the endpoint for its death.
    _wish(profile).unlink(missing_ok=True)
    left = _withdraw(profile, report) if profile.ray.mode != "inline" else []
    if profile.ray.mode != "local":
        return
    if left and not everything:
        report(f"the Ray head goes on, as it still serves {', '.join(left)}: `genrec down --all` stops it")
        return
    report("stopped the Ray head" if local_stack.down() else "no Ray head was running")


def _up_endpoint(profile: Profile) -> str:
    from assets.endpoint.rollout import deploy_champion
    from assets.versions import releases_of
    from storage.lake import Lake

    lake = Lake(profile.lake_root, profile.lake.storage_options, profile.artifacts_root, profile.family)
    champion, settings = releases_of(lake).champion(), _settings(profile)
    if champion is None:
        return "no endpoint yet: no version is champion"
    if _answering(profile) != champion:
        champion = str(deploy_champion(lake, profile.name, settings, profile.ray.dashboard_url).version)
    return f"endpoint: {champion} answers at {settings.base_url}"


def _answering(profile: Profile) -> str | None:
    """The version of this profile that answers just now, empty while it is still being loaded; None without any."""
    settings = _settings(profile)
    with EndpointClient(settings.base_url, settings.client_timeout_s) as client:
        try:
            status = client.status()
        except EndpointError:
            return None
    return (status.version or "") if status.profile in (None, "", profile.name) else None


def _withdraw(profile: Profile, report: Report) -> list[str]:
    """Applications that still run, once the profile's own has ended; none where nothing answers."""
    from serving.deploy import DeployError, withdraw
    from serving.settings import Owner

    if profile.ray.mode == "local" and not local_stack.running(profile.ray):
        return []
    try:
        return withdraw(
            _settings(profile), Owner(profile=profile.name, lake=profile.lake_root), profile.ray.dashboard_url
        )
    except DeployError as error:
        report(f"the endpoint was not ended in good order: {error}")
        return []


def _wish(profile: Profile) -> Path:
    """There as long as the endpoint should be: from `genrec up` to `genrec down`, whatever dies between."""
    return state_folder(profile.name) / "up"


def _wanted(profile: Profile) -> bool:
    head = profile.ray.mode != "local" or local_stack.wanted()
    return head and _wish(profile).exists()


def _settings(profile: Profile) -> EndpointSettings:
    return EndpointSettings.model_validate(profile.endpoint)
