"""The commands on quarantined rows, on a real profile with real landing files."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from orchestration.cli import app
from storage.lake import Lake
from tests.private import open_to_others

DAY = date(2026, 1, 2)
START = 1_767_312_000_000
LAKE = "The lake [x] ü%20"


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    landing = tmp_path / "landing"
    for table in ("events", "items"):
        (landing / table).mkdir(parents=True)
    items = [{"item_id": "a"}, {"item_id": "b"}]
    events = [{"user_id": f"u{n}", "item_id": "a", "timestamp": START + n, "action": "view"} for n in range(30)]
    events.append({"user_id": "late", "item_id": "b", "timestamp": START, "action": "clik"})
    for table, rows in (("events", events), ("items", items)):
        (landing / table / f"{DAY}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    path = tmp_path / "shop.yaml"
    path.write_text(
        f"first_day: {DAY}\nlast_day: 2026-01-03\nray: {{mode: inline}}\n"
        f"training: {{positive_actions: [view]}}\nlake: {{root: '{tmp_path}/{LAKE}'}}\nsource:\n"
        f"  kind: files\n  events: {{path: '{landing}/events/{{day}}.jsonl'}}\n"
        f"  items: {{path: '{landing}/items/{{day}}.jsonl'}}\n"
    )
    return path


def genrec(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "orchestration.cli", *arguments],
        env={**os.environ, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_show_tells_the_row_and_replay_brings_it_in_with_and_without_its_file(profile: Path, tmp_path: Path) -> None:
    genrec("materialize", "-p", str(profile), "--select", "*events")
    landing = tmp_path / "landing" / "events" / f"{DAY}.jsonl"
    shown = genrec("quarantine", "show", "-p", str(profile), "--where", "action=clik")
    assert f"{landing}:30" in shown
    assert "the action is not in quality.actions" in shown
    fix = ["quarantine", "replay", "-p", str(profile), "--where", "action=clik", "--set", "action=click"]
    lake = Lake(str(tmp_path / LAKE))
    assert not open_to_others(Path(lake.root))
    before = lake.version("events"), lake.version("quarantine")
    assert "1 of 1 rows came in" in genrec(*fix)
    assert "nothing to replay" in genrec(*fix)
    came = lake.scan("events").filter(pl.col("user_id") == "late").collect()
    assert came["action"].to_list() == ["click"]
    landing.unlink()
    for table, version in zip(("events", "quarantine"), before, strict=True):
        lake.delta(table).restore(version)
    assert "1 of 1 rows came in" in genrec(*fix)
    assert (
        lake.scan("events").filter(pl.col("user_id") == "late").collect().drop("arrival").equals(came.drop("arrival"))
    )


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--reason", "odd"], "there is no reason 'odd'"),
        (["--days", "now"], "--days now: write one day or two"),
        (["--set", "action"], "'action' sets nothing"),
    ],
)
def test_what_is_not_understood_is_said_in_one_sentence(profile: Path, arguments: list[str], sentence: str) -> None:
    answer = CliRunner().invoke(app, ["quarantine", "replay", "-p", str(profile), *arguments])
    assert answer.exit_code == 1
    assert sentence in answer.output
