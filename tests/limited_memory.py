"""Work that must fit into little memory, done by a process that gets no more."""

import json
import sys

import pytest

from benchmarks.memory_limit import run_limited

CODE = """
import json, sys
from importlib import import_module
module, _, name = sys.argv[1].partition(":")
getattr(import_module(module), name)(**json.loads(sys.argv[2]))
"""


def run_within(mib: int, function: str, **arguments: object) -> None:
    """Calls `function`, as MODULE:FUNCTION, in a fresh process that the system ends where it wants more than `mib`.

    Skips the test where no control group may be made: other limits count what a process reserves, not what it uses.
    """
    command = [sys.executable, "-c", CODE, function, json.dumps(arguments)]
    try:
        _, kind = run_limited(command, mib)
    except RuntimeError as error:
        if "control group" in str(error):
            raise
        kind = str(error)
    if kind != "control group":
        pytest.skip("no control group may be made here")
