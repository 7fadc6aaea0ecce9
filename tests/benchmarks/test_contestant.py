import sys

import pytest

from benchmarks.contestant import Contestant

CHILD = """
import sys
print('{"ready": 1}', flush=True)
for number, line in enumerate(sys.stdin):
    if number == 2:
        raise SystemExit("out of memory")
    print('{"tokens": %d}' % (10 + number), flush=True)
"""


def test_the_child_trains_when_told() -> None:
    with Contestant("child", [sys.executable, "-c", CHILD]) as child:
        assert child.process.poll() is None
        assert [child.epoch(), child.epoch()] == [10, 11]
        with pytest.raises(RuntimeError, match="child ended in the middle of the benchmark: out of memory"):
            child.epoch()


def test_leaving_ends_the_child() -> None:
    with Contestant("child", [sys.executable, "-c", CHILD]) as child:
        child.epoch()
    assert child.process.poll() is not None
