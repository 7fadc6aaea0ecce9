"""Whoever changes what a cluster serves is alone, across processes."""

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from serving import cluster
from serving.cluster import DeployError, ServeCluster

READ_CHANGE_WRITE = """
    import sys, time
    from pathlib import Path
    from serving.cluster import ServeCluster

    mine = ServeCluster.__new__(ServeCluster)
    mine.dashboard = "http://127.0.0.1:1"
    path = Path(sys.argv[1])
    for _ in range(5):
        with mine.alone():
            before = int(path.read_text())
            time.sleep(0.02)
            path.write_text(str(before + 1))
"""


def test_of_changes_by_several_processes_at_once_none_is_lost(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("0")
    command = [sys.executable, "-c", textwrap.dedent(READ_CHANGE_WRITE), str(state)]
    running = [subprocess.Popen(command) for _ in range(4)]
    assert [process.wait(60) for process in running] == [0] * 4
    assert state.read_text() == "20"


def of(dashboard: str) -> ServeCluster:
    made = ServeCluster.__new__(ServeCluster)
    made.dashboard = dashboard
    return made


def test_a_cluster_that_stays_taken_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "LOCK_S", 0.2)
    with of("http://127.0.0.1:2").alone():
        with of("http://127.0.0.1:3").alone():
            pass
        with pytest.raises(DeployError, match=r"has been changing what http://127\.0\.0\.1:2/ serves"):
            of("http://127.0.0.1:2/").alone().__enter__()


def test_a_folder_that_others_made_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with of("http://127.0.0.1:2").alone():
        pass
    (mine,) = tmp_path.iterdir()
    assert mine.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(mine)
    mine.symlink_to(tmp_path.parent)
    with pytest.raises(PermissionError, match=f"{mine} .*: remove it, or set TMPDIR"):
        of("http://127.0.0.1:2").alone().__enter__()
