"""Rolls a release out: a declarative Serve configuration, then waiting until every replica serves the release."""

import time
from collections.abc import Callable
from typing import Any

from serving.client import EndpointClient, EndpointError
from serving.ports import LOOPBACK, is_free
from serving.schema import EndpointStatus
from serving.settings import DEPLOYMENT, IMPORT_PATH, EndpointSettings, ReleaseConfig

POLL_S = 0.2


class DeployError(RuntimeError):
    """A release is not being served; the message says why and what is served instead."""


def deploy(settings: EndpointSettings, desired: ReleaseConfig, dashboard: str) -> EndpointStatus:
    """Serves `desired` and returns once every replica does.

    Between releases only `user_config` differs, so Serve tells the running replicas to load the new one aside and no
    request is lost. Where a release does not load, the configuration before it is put back, so that a replica that
    restarts later does not meet the broken one.

    Args:
        settings: How the endpoint runs.
        desired: What it should serve.
        dashboard: URL of the Ray dashboard, http://host:port.

    Raises:
        DeployError: the cluster cannot be reached, refuses the configuration, or the release does not load in time.
    """
    cluster = _Cluster(dashboard)
    live = cluster.details()
    before = live["applications"].get(settings.app_name, {}).get("deployed_app_config")
    _require_address(settings, live)
    cluster.put(merged(live, settings, application(settings, desired)))
    try:
        return _wait(cluster, settings, desired)
    except DeployError:
        if before:
            cluster.put(merged(live, settings, before))
        raise


def application(settings: EndpointSettings, desired: ReleaseConfig) -> dict[str, Any]:
    """The Serve application that runs `settings` and serves `desired` (`ServeApplicationSchema`)."""
    return {
        "name": settings.app_name,
        "route_prefix": settings.route_prefix,
        "import_path": IMPORT_PATH,
        "args": settings.app.model_dump(mode="json"),
        "deployments": [
            {
                "name": DEPLOYMENT,
                "num_replicas": settings.replicas,
                "max_ongoing_requests": settings.max_ongoing_requests,
                "max_queued_requests": settings.max_queued_requests,
                # With the default of 0, replacing a single replica leaves nobody to answer while the new one loads.
                "max_surge_percent": 100,
                "ray_actor_options": {"num_cpus": settings.num_cpus, "num_gpus": settings.num_gpus},
                "user_config": desired.model_dump(mode="json"),
            }
        ],
    }


def merged(live: dict[str, Any], settings: EndpointSettings, ours: dict[str, Any]) -> dict[str, Any]:
    """The configuration to put: `ours` beside the applications of others, because Serve deletes what is missing.

    Args:
        live: Serve's own account of what it runs (`ServeInstanceDetails`).
        settings: Used where Serve does not run yet.
        ours: Our application.
    """
    others = [
        details["deployed_app_config"]
        for name, details in live["applications"].items()
        if name != settings.app_name and details.get("deployed_app_config")
    ]
    address = {"host": settings.host, "port": settings.port, "request_timeout_s": settings.request_timeout_s}
    return {
        "proxy_location": live.get("proxy_location") or "EveryNode",
        "http_options": live.get("http_options") or address,
        "applications": [*others, ours],
    }


class _Cluster:
    """Serve's REST interface on the Ray dashboard."""

    def __init__(self, dashboard: str) -> None:
        from ray.dashboard.modules.serve.sdk import ServeSubmissionClient

        self.dashboard = dashboard
        self._serve = self._asked(ServeSubmissionClient, dashboard)

    def details(self) -> dict[str, Any]:
        return self._asked(self._serve.get_serve_details)

    def put(self, config: dict[str, Any]) -> None:
        self._asked(self._serve.deploy_applications, config)

    def state(self, app_name: str) -> str:
        """Status of an application, as Serve names it. A dead replica makes it UNHEALTHY until it is replaced.

        Raises:
            DeployError: the deployment failed for good.
        """
        details = self.details()["applications"].get(app_name, {"status": "NOT_STARTED"})
        if details["status"] == "DEPLOY_FAILED":
            raise DeployError(f"Serve could not run application {app_name}: {details['message']}")
        return str(details["status"])

    def _asked(self, call: Callable[..., Any], *arguments: object) -> Any:
        try:
            return call(*arguments)
        except Exception as error:  # RuntimeError, ConnectionError, ValueError and those of requests
            raise DeployError(f"the Ray dashboard at {self.dashboard} did not take the request: {error}") from error


def _require_address(settings: EndpointSettings, live: dict[str, Any]) -> None:
    """Serve keeps the address it started with and would only log that ours is another one, or taken by others."""
    running = live.get("http_options")
    if running and (running["host"], running["port"]) != (settings.host, settings.port):
        raise DeployError(
            f"Serve on this cluster listens on {running['host']}:{running['port']} already, not on "
            f"{settings.host}:{settings.port}: set endpoint.host and endpoint.port to that, or shut Serve down first"
        )
    if not running and settings.host == LOOPBACK and not is_free(settings.port):
        raise DeployError(
            f"port {settings.port} of {settings.host} is taken by another program: end it, or set endpoint.port"
        )


def _wait(cluster: _Cluster, settings: EndpointSettings, desired: ReleaseConfig) -> EndpointStatus:
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
    cluster: _Cluster, settings: EndpointSettings, desired: ReleaseConfig, serving: dict[str, EndpointStatus]
) -> str:
    """What is still missing, as text; empty once done. Adds the replica that answered to `serving` if it does."""
    state = cluster.state(settings.app_name)
    if state != "RUNNING":
        # Replicas are being replaced; those that answered before may be on their way out.
        serving.clear()
        return f"Serve says that application {settings.app_name} is {state}"
    try:
        # A connection of its own for every question, so that the proxy picks a replica anew.
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


def _require_no_failure(status: EndpointStatus, desired: ReleaseConfig) -> None:
    if status.desired_release == desired.fingerprint != status.release and status.last_error and not status.loading:
        kept = f"{status.version} keeps serving" if status.version else "nothing is served"
        raise DeployError(f"version {desired.version} was not loaded, {kept}: {status.last_error}")
