"""A benchmark at its smallest: its figures."""

import json
import os
import subprocess
import sys
from typing import Any

from typer.testing import CliRunner

from orchestration.cli import app


def figures(*arguments: str) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["bench", *arguments, "--smoke"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return figures_of(result.stdout, arguments[0])


def figures_apart(bench: str) -> dict[str, Any]:
    """The figures from a process of its own: Ray reads its environment once, and other tests have set another one."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
    command = [sys.executable, "-m", "orchestration.cli", "bench", bench, "--smoke"]
    finished = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return figures_of(finished.stdout, bench)


def figures_of(output: str, bench: str) -> dict[str, Any]:
    last = json.loads(output.splitlines()[-1])
    assert last["bench"] == bench
    found: dict[str, Any] = last["figures"]
    return found
