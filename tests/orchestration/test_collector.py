import subprocess
import sys

CODE = """
import atexit, gc
atexit.register(lambda: print(gc.get_freeze_count()))  # What is registered first is called last.
from orchestration import collector
collector.adapt()
collector.adapt()
print(gc.get_threshold()[0])
"""


def test_it_looks_rarely_and_not_at_all_when_the_process_ends() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    allocations, frozen = (int(line) for line in done.stdout.split())
    assert allocations == 50_000
    assert frozen > 1_000
