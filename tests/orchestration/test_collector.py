import subprocess
import sys

CODE = """
import gc, sys
from orchestration import collector
collector.adapt()
import triton
print(gc.get_threshold()[0])
"""


def test_it_looks_rarely_and_leaves_nothing_to_complain_about() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("50000\n", "")
