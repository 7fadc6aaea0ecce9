"""How Dagster is told where the definitions are."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dagster._core.remote_origin import RemoteJobOrigin

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"
MODULE = "orchestration.definitions"
REPOSITORY = "__repository__"
"""Dagster's name of what `definitions.defs` holds."""


def workspace_arguments() -> tuple[str, str]:
    """`workspace.yaml` of the repository; the module by name where the package is installed without one."""
    return ("-w", str(WORKSPACE)) if WORKSPACE.exists() else ("-m", MODULE)


def job_origin(job: str) -> "RemoteJobOrigin":
    """Where the UI finds a job, so that it shows a command's run under it, in the timeline, and can run it again."""
    from dagster._core.remote_origin import RemoteRepositoryOrigin
    from dagster._core.workspace.load_target import ModuleTarget

    (location,) = ModuleTarget(MODULE, None, str(WORKSPACE.parent), None).create_origins()
    return RemoteRepositoryOrigin(location, REPOSITORY).get_job_origin(job)
