"""Settings of all tests."""

import gc
import os
import signal
import sys

import pytest
from hypothesis import settings

# A shared machine may be slow for a moment; a deadline would make that a failure.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

# A shell that starts the suite in the background lets it, and all that it starts, ignore Ctrl-C, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Where no bytecode is kept, each of the hundreds of processes that tests start would compile the whole project again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# As the platform has it (`orchestration.environment`): threads that wait must not take the cores of other processes.
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
# Workers side by side have a core each, and so has all that they start: more threads would wait for each other.
if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ["OMP_NUM_THREADS"] = "1"


# As the platform has it, too (`orchestration.collector`); a worker holds several million objects.
gc.set_threshold(50_000, 10, 10)


def pytest_collection_finish() -> None:
    """What was imported stays."""
    gc.freeze()


def pytest_unconfigure() -> None:
    """Collected at the end all the same: extensions that find objects of theirs left over complain."""
    gc.unfreeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that at the end no worker is left alone with one of them."""
    long = {item.path for item in items if item.get_closest_marker("cluster")}
    items.sort(key=lambda item: item.path not in long)
