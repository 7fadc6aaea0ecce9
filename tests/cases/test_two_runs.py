"""A scheduled run beside a command, on data that change meanwhile: each judges its own version."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import yaml

from assets.versions import artifacts_of, releases_of
from models.manifest import list_versions
from storage.lake import Lake
from tests.cases.folder import cases

NIGHT = """
import os
from orchestration import environment
from orchestration.profile import load_profile

profile = load_profile(os.environ["GENREC_PROFILE"])
environment.apply(profile)
from assets.partitions import partitions
from orchestration import runs
from orchestration.definitions import defs

keys = partitions.get_partition_keys()
stages = frozenset(map(runs.dg.AssetKey, os.environ["TEST_STAGES"].split()))
tags = {runs.ASSET_PARTITION_RANGE_START_TAG: keys[0], runs.ASSET_PARTITION_RANGE_END_TAG: keys[-1]}
runs.execute(profile, defs().resolve_job_def("nightly"), tags, selected=stages)
"""

SHOWN = """
import json, dagster as dg
with dg.DagsterInstance.get() as instance:
    told = []
    for run in instance.get_runs(ascending=True):
        made = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
        versions = {
            record.asset_key.to_user_string(): record.event_log_entry.asset_materialization.metadata["version"].value
            for record in made
            if "version" in record.event_log_entry.asset_materialization.metadata
        }
        told.append([run.job_name, versions])
    print(json.dumps(told))
"""

STAGES = (
    *("raw_events", "raw_items", "items", "events", "sequences", "training_set"),
    *("hstu_model", "evaluation", "release"),
)


def test_each_run_evaluates_and_judges_its_own_version(tmp_path: Path) -> None:
    folder, landing = cases("two_runs"), tmp_path / "landing"
    landing.mkdir()
    put(folder, landing, "")
    profile = tmp_path / "shop.yaml"
    model = {"width": 16, "max_length": 16, "backbone": {"layers": 1, "heads": 1, "head_dim": 16}}
    profile.write_text(
        yaml.safe_dump(
            {
                "first_day": "2026-01-01",
                "last_day": "2026-01-05",
                "source": {
                    "kind": "files",
                    "events": {"path": f"{landing}/events.csv"},
                    "items": {"path": f"{landing}/items.csv"},
                },
                "quality": {"actions": ["click"]},
                "training": {
                    "positive_actions": ["click"],
                    "use_content": False,
                    "model": model,
                    "optimisation": {"epochs": 1, "loss": {"negatives": 16, "shared": True}},
                    "validation_users": 5,
                },
                "evaluation": {"leave_one_out_users": 20, "resamples": 100},
                "release": {"margin": -1.0, "min_users": 1},
                "ray": {"mode": "inline"},
            }
        )
    )
    variables = {
        **os.environ,
        "GENREC_HOME": str(tmp_path / "home"),
        "GENREC_PROFILE": str(profile),
        "TEST_STAGES": " ".join(STAGES),
    }

    def start(*arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", *arguments],
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    select = " or ".join(f'key:"{stage}"' for stage in STAGES)
    command = start("-m", "orchestration.cli", "materialize", "--select", select)
    lake = Lake(str(tmp_path / "home" / "shop"))
    while not lake.exists("sequences") and command.poll() is None:
        time.sleep(0.05)
    put(folder, landing, "_b")
    night = start("-c", NIGHT)
    told = [one.communicate(timeout=300)[0] for one in (command, night)]
    assert (command.returncode, night.returncode) == (0, 0), told

    home = {**variables, "DAGSTER_HOME": str(tmp_path / "home" / "shop" / "dagster")}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", SHOWN], env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = json.loads(done.stdout.splitlines()[-1])
    assert sorted(job for job, _ in shown) == ["line", "nightly"]
    for _, versions in shown:
        assert versions.keys() == {"hstu_model", "evaluation", "release"}
        assert len(set(versions.values())) == 1
    trained = list_versions(artifacts_of(lake))
    assert sorted(versions["release"] for _, versions in shown) == trained
    assert len(trained) == 2
    decided = releases_of(lake).log()
    assert decided["version"].to_list() == trained
    first, second = ({row[:1] for row in vocabulary(lake, version)} for version in trained)
    assert (first, "b" in second) == ({"i"}, True), "the command read the first files, the night the second ones"


def put(folder: Path, landing: Path, which: str) -> None:
    for table in ("events", "items"):
        draft = landing / f".{table}.csv"
        shutil.copy(folder / f"{table}{which}.csv", draft)
        draft.replace(landing / f"{table}.csv")


def vocabulary(lake: Lake, version: str) -> list[str]:
    found: list[str] = pl.read_parquet(artifacts_of(lake) / version / "vocabulary.parquet")["item_id"].to_list()
    return found
