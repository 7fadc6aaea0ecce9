"""Rolls a release out: a declarative Serve configuration, then waiting until every replica serves the release."""

import time
from collections.abc import Callable
from typing import Any

from serving.applications import application, deployed, merged, release_of, require_address, require_ours
from serving.client import EndpointClient, EndpointError
from serving.cluster import DeployError, ServeCluster
from serving.schema import EndpointStatus
from serving.settings import EndpointSettings, Owner, ReleaseConfig

__all__ = ["DeployError", "LoadError", "Superseded", "deploy", "withdraw"]

POLL_S = 0.2
DRAIN_S = 30.0


class Superseded(DeployError):
    """A newer deployment took the place of this one while its release was still being loaded.

    `by` is the version that it deploys; None where it took the application away.
    """

    def __init__(self, message: str, by: str | None) -> None:
        super().__init__(message)
        self.by = by


class LoadError(DeployError):
    """A release was tried and does not load; `version` is its version."""

    def __init__(self, message: str, version: str) -> None:
        super().__init__(message)
        self.version = version


def deploy(
    settings: EndpointSettings, desired: ReleaseConfig | Callable[[], ReleaseConfig], dashboard: str
) -> EndpointStatus:
    """Serves `desired` and returns once every replica does.

    Between releases only `user_config` differs, so Serve tells the running replicas to load the new one aside and no
    request is lost. Where a release does not load, the configuration before it is put back, so that a replica that
    restarts later does not meet the broken one. Whoever deploys later wins, and does not wait for who came before.

    Args:
        settings: How the endpoint runs.
        desired: What it should serve, or what says so: that is asked while nobody else can deploy, so that of several
            who read the release log, the last to read is the last to deploy.
        dashboard: URL of the Ray dashboard, http://host:port.

    Raises:
        Superseded: a newer deployment serves something else.
        LoadError: the release was tried and does not load.
        DeployError: the cluster cannot be reached, refuses the configuration, runs another profile's application under
            this name or path, or the release does not load in time.
    """
    cluster = ServeCluster(dashboard)
    with cluster.alone():
        wanted = desired() if callable(desired) else desired
        live = cluster.details()
        require_address(live, settings)
        require_ours(live, settings, wanted.owner)
        before = deployed(live, settings.app_name)
        cluster.put(merged(live, settings, application(settings, wanted)))
    try:
        return _wait(cluster, settings, wanted)
    except Superseded:
        raise
    except DeployError:
        if before:
            _put_back(cluster, settings, wanted, before)
        raise


def withdraw(settings: EndpointSettings, owner: Owner, dashboard: str) -> list[str]:
    """Ends the application of `owner` once it has answered what it was asked; returns those that still run.

    Another profile's application of the same name is left alone.

    Raises:
        DeployError: the cluster cannot be reached.
    """
    cluster = ServeCluster(dashboard)
    with cluster.alone():
        live = cluster.details()
        release = release_of(deployed(live, settings.app_name))
        if release is None or not release.owner.same(owner):
            return sorted(live["applications"])
        cluster.put(merged(live, settings, None))
    deadline = time.monotonic() + DRAIN_S
    while settings.app_name in (running := cluster.details()["applications"]) and time.monotonic() < deadline:
        time.sleep(POLL_S)
    return sorted(set(running) - {settings.app_name})


def _put_back(cluster: ServeCluster, settings: EndpointSettings, failed: ReleaseConfig, before: dict[str, Any]) -> None:
    """Restores what was configured before `failed`, unless something else was deployed since."""
    with cluster.alone():
        live = cluster.details()
        if release_of(deployed(live, settings.app_name)) == failed:
            cluster.put(merged(live, settings, before))


def _wait(cluster: ServeCluster, settings: EndpointSettings, desired: ReleaseConfig) -> EndpointStatus:
    """Polls until as many replicas as configured serve `desired`."""
    deadline = time.monotonic() + settings.deploy_timeout_s
    serving: dict[str, EndpointStatus] = {}
    while missing := _missing(cluster, settings, desired, serving):
        if time.monotonic() > deadline:
            raise DeployError(
                f"version {desired.version} is not served after {settings.deploy_timeout_s:.0f} s: {missing}"
            )
        time.sleep(POLL_S)
    return next(reversed(serving.values()))


def _missing(
    cluster: ServeCluster, settings: EndpointSettings, desired: ReleaseConfig, serving: dict[str, EndpointStatus]
) -> str:
    """What is still missing, as text; empty once done. Adds the replica that answered to `serving` if it does."""
    state = _state(cluster, settings, desired)
    if state != "RUNNING":
        # Replicas are being replaced; those that answered before may be on their way out.
        serving.clear()
        return f"Serve says that application {settings.app_name} is {state}"
    try:
        # A connection of its own for every question, so that the proxy picks a replica again.
        with EndpointClient(settings.base_url, settings.client_timeout_s) as client:
            status = client.status()
    except EndpointError as error:
        return str(error)
    _require_no_failure(status, desired)
    if status.release == status.desired_release == desired.fingerprint:
        serving[status.replica] = status
    if len(serving) >= settings.replicas:
        return ""
    return f"{len(serving)} of {settings.replicas} replicas serve it, the last one asked serves {status.version}"


def _state(cluster: ServeCluster, settings: EndpointSettings, desired: ReleaseConfig) -> str:
    """Status of our application, as Serve names it. A dead replica makes it UNHEALTHY until it is replaced.

    Raises:
        Superseded: it is told to serve something else by now, or is gone.
        DeployError: the deployment failed for good.
    """
    live = cluster.details()
    told = release_of(deployed(live, settings.app_name))
    if told != desired:
        instead = f"to serve version {told.version}" if told else "without this application"
        raise Superseded(
            f"version {desired.version} was superseded before every replica served it: a newer deployment told the "
            f"cluster {instead}",
            told.version if told else None,
        )
    details = live["applications"][settings.app_name]
    if details["status"] == "DEPLOY_FAILED":
        raise DeployError(f"Serve could not run application {settings.app_name}: {details['message']}")
    return str(details["status"])


def _require_no_failure(status: EndpointStatus, desired: ReleaseConfig) -> None:
    if status.desired_release == desired.fingerprint != status.release and status.last_error and not status.loading:
        kept = f"{status.version} keeps serving" if status.version else "nothing is served"
        raise LoadError(f"version {desired.version} was not loaded, {kept}: {status.last_error}", desired.version)
