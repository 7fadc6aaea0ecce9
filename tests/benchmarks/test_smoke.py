"""Every benchmark runs at its smallest and ends with one line of JSON."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app


def figures(*arguments: str) -> dict[str, object]:
    result = CliRunner().invoke(app, ["bench", *arguments, "--smoke"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return figures_of(result.output, arguments[0])


def figures_apart(bench: str) -> dict[str, object]:
    """The figures from a process of its own: Ray reads its environment once, and other tests have set another one."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("GENREC_", "DAGSTER_", "RAY_"))}
    command = [sys.executable, "-m", "orchestration.cli", "bench", bench, "--smoke"]
    finished = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return figures_of(finished.stdout, bench)


def figures_of(output: str, bench: str) -> dict[str, object]:
    last = json.loads(output.splitlines()[-1])
    assert last["bench"] == bench
    found: dict[str, object] = last["figures"]
    return found


def test_ml1m(tmp_path: Path) -> None:
    picture = tmp_path / "curves.png"
    found = figures("ml1m", "--size", "large", "--seeds", "2", "--picture", str(picture))
    assert picture.read_bytes().startswith(b"\x89PNG")
    for protocol in ("selected", "published", "peeking"):
        reading = found[protocol]
        assert isinstance(reading, dict)
        assert {"hr@1", "hr@10", "hr@1000", "ndcg@10", "ndcg@200", "mrr"} <= reading.keys()
        assert reading["sd"].keys() == reading.keys() - {"sd", "epochs"}
        assert reading["mrr"] > 0
    published, peeking = found["published"], found["peeking"]
    assert isinstance(published, dict)
    assert isinstance(peeking, dict)
    assert peeking["ndcg@10"] >= published["ndcg@10"]


def test_training() -> None:
    found = figures("training", "--size", "base", "--no-rectools")
    assert found["tokens_per_s_base"] > 0  # type: ignore[operator]
    assert found["reference_ratio_base"] > 0  # type: ignore[operator]


def test_time_to_quality() -> None:
    found = figures("training", "--size", "base", "--time-to-quality")
    assert found["minutes_to_0172_base"] > 0  # type: ignore[operator]


def test_sequences(tmp_path: Path) -> None:
    found = figures("sequences", "--no-others", "--out", str(tmp_path))
    assert found["events_per_s_6k"] > 0  # type: ignore[operator]
    assert found["peak_mb_6k"] > 0  # type: ignore[operator]
    assert found["io_ratio_6k"] > 0  # type: ignore[operator]


def test_nightly(tmp_path: Path) -> None:
    found = figures("nightly", "--out", str(tmp_path))
    assert found["bytes_equal"] is True
    assert found["cost_ratio"] > 0  # type: ignore[operator]


@pytest.mark.parametrize("bench", ["ml1m", "training"])
def test_a_wrong_folder_is_one_sentence(bench: str, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", bench, "--data", "/nowhere", "--out", str(tmp_path)])
    assert result.exit_code == 1
    assert "/nowhere lacks ratings.dat or movies.dat: unpack MovieLens-1M there" in result.output.replace("\n", " ")


def test_attention() -> None:
    found = figures("attention")
    assert {"sdpa_ratio_32", "sdpa_ratio_64", "sdpa_ratio_uniform_64", "reference_ratio_64"} <= found.keys()
    assert 0.7 < found["peak_memory_exponent"] < 1.3  # type: ignore[operator]


def test_ranking() -> None:
    found = figures("ranking")
    assert found["speedup_16"] > 0  # type: ignore[operator]
    assert found["max_abs_diff"] < 1e-4  # type: ignore[operator]


def test_validation() -> None:
    found = figures("validation")
    assert found["read_ratio"] > 0  # type: ignore[operator]
    assert found["rows_per_s"] > 0  # type: ignore[operator]
    assert found["peak_mb"] > 10  # type: ignore[operator]


def test_faults() -> None:
    found = figures("faults")
    assert found["kills"] == 1
    assert not any(found[wrong] for wrong in ("lost_rows", "differing_tables", "orphans", "unexplained_failures"))


@pytest.mark.cluster
@pytest.mark.skipif(not shutil.which("hey"), reason="the load generator hey is not installed")
def test_overload() -> None:
    found = figures_apart("overload")
    assert {"good_share_2x", "good_share_5x", "p50_ratio", "throughput_ratio"} <= found.keys()
    assert found["good_share_5x"] > 0  # type: ignore[operator]
    assert found["throughput_ratio"] > 0  # type: ignore[operator]


@pytest.mark.cluster
def test_rollback() -> None:
    """Fails by itself where the training does not go on."""
    found = figures_apart("rollback")
    assert found["failed_requests"] == 0
    assert found["requests"] >= 200  # type: ignore[operator]
    assert found["command_s"] > 0  # type: ignore[operator]
    assert found["ui_s"] > 0  # type: ignore[operator]
