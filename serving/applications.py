"""The Serve applications of a cluster: what ours looks like, whose the others are, and all of them together."""

from typing import Any

from pydantic import ValidationError

from serving.cluster import DeployError
from serving.limits import RETRY_AFTER_S
from serving.ports import LOOPBACK, is_free
from serving.settings import DEPLOYMENT, IMPORT_PATH, EndpointSettings, Owner, ReleaseConfig


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
                "backpressure_config": {"status_code": 503, "retry_after_s": RETRY_AFTER_S},
                "health_check_period_s": settings.health_check_period_s,
                "health_check_timeout_s": settings.health_check_timeout_s,
                # With the default of 0, replacing a single replica leaves nobody to answer while the new one loads.
                "max_surge_percent": 100,
                "ray_actor_options": {"num_cpus": settings.num_cpus, "num_gpus": settings.num_gpus},
                "user_config": desired.model_dump(mode="json"),
            }
        ],
    }


def merged(live: dict[str, Any], settings: EndpointSettings, ours: dict[str, Any] | None) -> dict[str, Any]:
    """The configuration to put: `ours` beside the applications of others, because Serve ends what is missing.

    Args:
        live: Serve's own account of what it runs (`ServeInstanceDetails`).
        settings: Used where Serve does not run yet.
        ours: Our application; None ends it.
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
        "applications": [*others, *([ours] if ours else [])],
    }


def deployed(live: dict[str, Any], app_name: str) -> dict[str, Any] | None:
    """The configuration that an application was deployed with; None where there is no such application."""
    found: dict[str, Any] | None = live["applications"].get(app_name, {}).get("deployed_app_config")
    return found


def release_of(app: dict[str, Any] | None) -> ReleaseConfig | None:
    """The release that an application is told to serve; None where the application is none of ours."""
    if not app or app.get("import_path") != IMPORT_PATH:
        return None
    try:
        return ReleaseConfig.model_validate(app["deployments"][0]["user_config"])
    except (ValidationError, LookupError, TypeError):
        return None


def require_ours(live: dict[str, Any], settings: EndpointSettings, owner: Owner) -> None:
    """Refuses to take over what another profile, or anyone else, runs under our name or path.

    Raises:
        DeployError: it says whose that is, and which setting to change.
    """
    for name, details in live["applications"].items():
        if details.get("status") == "DELETING":
            continue
        release = release_of(details.get("deployed_app_config"))
        if name == settings.app_name and (release is None or not release.owner.same(owner)):
            raise DeployError(
                f"the application {name!r} on this cluster is that of {_whose(release)}, not of {owner}: set "
                "endpoint.app_name to another name, or end that application first"
            )
        if name != settings.app_name and details.get("route_prefix") == settings.route_prefix:
            raise DeployError(
                f"the path {settings.route_prefix} on this cluster is that of application {name!r} of "
                f"{_whose(release)}: set endpoint.route_prefix to another path, such as /{settings.app_name}"
            )


def require_address(live: dict[str, Any], settings: EndpointSettings) -> None:
    """Serve keeps the address it started with and would only log that ours is another one, or taken by others.

    Raises:
        DeployError: it says which setting to change.
    """
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


def _whose(release: ReleaseConfig | None) -> str:
    return str(release.owner) if release else "another program"
