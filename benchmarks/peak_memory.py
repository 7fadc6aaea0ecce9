"""How much memory a piece of work needs beyond its inputs, read in a fresh process on Linux.

`python -m benchmarks.peak_memory MODULE:FUNCTION '{"argument": 1}'` prints the bytes. The function makes the inputs and
returns the work.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

RESET_PEAK = "5"
"""What /proc/self/clear_refs takes to start the high-water mark again (man 5 proc)."""


def peak_memory(function: str, **arguments: object) -> int:
    """Bytes by which the resident memory of a fresh process grew while it did the work of `function`.

    Args:
        function: MODULE:FUNCTION; called with `arguments`, it prepares the work and returns it as a callable.

    Raises:
        RuntimeError: the process failed.
    """
    # With freed blocks kept in the heap, the work would reuse what its first run left behind and seem to need nothing.
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    command = [sys.executable, "-m", "benchmarks.peak_memory", function, json.dumps(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"measuring the memory of {function}({arguments}) failed: {done.stderr.strip()[-500:]}")
    return int(done.stdout.split()[-1])


def measure(work: Callable[[], object]) -> int:
    """Bytes by which this process's resident memory grows during `work`, which has run once before."""
    work()
    Path("/proc/self/clear_refs").write_text(RESET_PEAK)
    before = _status("VmRSS")
    work()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status has no {field}: peak memory can be read on Linux alone")


if __name__ == "__main__":
    module, _, name = sys.argv[1].partition(":")
    print(measure(getattr(import_module(module), name)(**json.loads(sys.argv[2]))))
