"""`genrec bench off-policy`: small and made up, and on the real logs of both policies where these are there."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from benchmarks.off_policy import run
from orchestration.cli import app
from tests.benchmarks.smoke import figures
from tests.real_data import DATA, needs

FOLDER = DATA / "open-bandit"


def test_each_policy_is_foretold_by_the_log_of_the_other() -> None:
    found = figures("off-policy")
    assert found["overlapping"] == found["estimates"] == 6
    true = found["men_random"]["true"], found["men_bts"]["true"]
    assert true[0] < true[1]
    for name in ("ips", "snips", "dr"):
        assert found["men_random"][name] < found["men_bts"][name], f"{name} tells which policy is better"


@needs(FOLDER)
def test_open_bandit() -> None:
    said: list[object] = []
    found = run(FOLDER, None, smoke=False, report=said.append)
    assert [found[name]["true"] for name in ("men_random", "men_bts", "women_random", "women_bts")] == pytest.approx(
        [0.0046, 0.0069, 0.0046, 0.0046]
    )
    assert found["overlapping"] == found["estimates"] == 12
    assert found["women_random"]["effective_rows"] < 100
    assert any("the overlap is too small to tell" in str(line) for line in said)


def test_a_folder_without_logs_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["bench", "off-policy", "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert "no events file" in result.output.replace("\n", " ")


def test_without_a_folder_it_says_how_to_name_one() -> None:
    result = CliRunner().invoke(app, ["bench", "off-policy"])
    assert result.exit_code == 1
    assert "give --data" in result.output
