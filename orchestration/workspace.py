"""How Dagster's commands are told where the definitions are."""

from pathlib import Path

WORKSPACE = Path(__file__).parents[1] / "workspace.yaml"


def workspace_arguments() -> tuple[str, str]:
    """`workspace.yaml` of the repository; the module by name where the package is installed without one."""
    return ("-w", str(WORKSPACE)) if WORKSPACE.exists() else ("-m", "orchestration.definitions")
