"""Benchmarks run at their smallest and end with one line of JSON; those of an endpoint have files of their own."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from tests.benchmarks.smoke import figures


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
