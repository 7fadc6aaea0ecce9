"""The command that forgets a person, on a real profile with a real Dagster instance."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl

from assets.privacy.person import Person
from assets.privacy.proof import Proof, search
from models.columns import USER_ID
from orchestration.data_jobs import still_named
from storage.lake import Lake
from storage.places import plain
from tests.orchestration.test_quarantine import DAY, LAKE, START, genrec, profile

__all__ = ["profile"]

PERSON = Person("d41d8cd98f00b204", "string")

EVENTS_OF = """
import sys, json, dagster as dg
with dg.DagsterInstance.get() as instance:
    told = {}
    for asset in ("events", "sequences"):
        event = instance.get_latest_materialization_event(dg.AssetKey(asset)).asset_materialization
        told[asset] = [event.partition, {name: value.value for name, value in event.metadata.items()}]
    runs = instance.get_runs(dg.RunsFilter(job_name="forgetting"))
    print(json.dumps([told, [run.run_config for run in runs]]))
"""


def test_a_person_is_forgotten_in_one_command_and_dagster_shows_that_but_not_who(
    profile: Path, tmp_path: Path, home: Path
) -> None:
    landing = tmp_path / "landing" / "events" / f"{DAY}.jsonl"
    row = {"user_id": PERSON.user, "item_id": "a", "timestamp": START + 50, "action": "view"}
    with open(landing, "a") as file:
        file.write(json.dumps(row) + "\n")
    genrec("materialize", "-p", str(profile), "--select", "*sequences")
    lake = Lake(str(tmp_path / LAKE))
    assert lake.sequences().filter(pl.col(USER_ID) == PERSON.user).collect().height == 1
    told = genrec("forget", str(PERSON.user), "-p", str(profile), "--reason", "a letter")
    assert "taken out: 1 rows of events, 0 rows of quarantine" in told
    assert "files name the person" in told
    assert "1 rows of landing files, which belong to others, name the person" in told
    assert f"{landing}: rows 31\n" in told
    assert search(tmp_path / LAKE, PERSON).found == []
    assert search(home, PERSON).found == []
    assert lake.sequences().collect().height == 30
    (shown, configs) = _record(home)
    assert shown["events"][0] == str(DAY)
    assert shown["events"][1] == {"forgotten_users": 1, "rows_removed": 1, "reason": "a letter"}
    assert shown["sequences"][1]["rows_removed"] == 1
    assert shown["sequences"][1]["table_version"] == lake.version("sequences")
    assert configs[0]["ops"]["forget_user"]["config"]["user"] == {"env": "GENREC_FORGET_USER"}
    genrec("materialize", "-p", str(profile), "--select", "*sequences")
    assert search(tmp_path / LAKE, PERSON).found == []
    assert lake.sequences().collect().height == 30
    nobody = genrec("forget", "K9999", "-p", str(profile))
    assert "no table names that id: nothing was taken out" in nobody


def test_whoever_reads_the_failure_leaves_files_of_tables_alone(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    table, bucket, log = (tmp_path / name for name in ("tables/items/a.parquet", "sequences/b.arrow", "runs/c.log"))
    told = still_named(lake, Proof(9, [table, bucket, log]))
    assert told.startswith(f"3 of 9 files still name the person: {table}, {bucket}, of a table")
    assert f"{log}, of no table" in told
    assert "delete" not in told.replace(str(tmp_path), "")


def _record(home: Path) -> tuple[dict[str, Any], Any]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", EVENTS_OF],
        env={**os.environ, "DAGSTER_HOME": str(plain(home / "shop" / "dagster"))},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown, configs = json.loads(done.stdout.splitlines()[-1])
    return shown, configs
