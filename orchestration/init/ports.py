"""Which ports a new profile has to name, so that it runs beside what runs already."""

from orchestration import local_stack
from orchestration.profile import RaySettings
from serving.ports import free_port, is_free
from serving.settings import EndpointSettings


def ports_to_name() -> dict[str, dict[str, int]]:
    """Section to key to port; nothing where the defaults are free, or are those of this home's own head."""
    ray = local_stack.ports_for_new_profile(RaySettings())
    port = EndpointSettings().port
    shared = local_stack.running(RaySettings.model_validate(ray)) and _proxy_port(RaySettings.model_validate(ray))
    wanted = shared or (port if is_free(port) else free_port())
    return {"ray": ray, "endpoint": {} if wanted == port else {"port": wanted}}


def _proxy_port(ray: RaySettings) -> int | None:
    """The port of the proxy that serves on the head; None where nothing is served."""
    reply = local_stack.dashboard_request("GET", "/api/serve/applications/", ray)
    found = reply.json() if reply.is_success else {}
    return (found.get("http_options") or {}).get("port") if found.get("applications") else None
