"""What Dagster is told: quickly, without the heavy libraries, and exactly the graph that is committed beside this."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from assets.argus.assets import argus_evaluation, user_item_towers
from assets.evaluation.assets import evaluation
from assets.training.assets import hstu_model, tuned_hyperparameters
from assets.training.set_assets import training_set
from models.auto import marked, value_at
from orchestration.all_assets import all_assets
from orchestration.profile import load_profile, section_settings

GRAPH = Path(__file__).with_name("asset_graph.txt")
HEAVY = ["ray", "torch", "great_expectations", "sentence_transformers", "open_clip", "matplotlib"]
DESCRIBE = f"""
import json, sys
from orchestration.definitions import defs
definitions = defs()
heavy = [name for name in {HEAVY} if name in sys.modules]
graph = definitions.resolve_asset_graph()
lines = []
for key in graph.toposorted_asset_keys:
    node = graph.get(key)
    spec = graph.assets_def_for_key(key).specs_by_key[key]
    lines.append(
        f"{{key.to_user_string()}} [{{node.group_name}}, {{'daily' if node.partitions_def else 'whole'}}]"
        f" <- {{', '.join(sorted(parent.to_user_string() for parent in node.parent_keys)) or '(logs)'}}"
    )
    lines += [f"    check {{check.name}}" for check in sorted(node.check_keys)]
    missing = [what for what, there in dict(
        description=spec.description, owners=spec.owners, kinds=spec.kinds, code_version=spec.code_version,
        backfill_policy=node.backfill_policy).items() if not there]
    assert not missing, (key, missing)
first = next(n.partitions_def for n in map(graph.get, graph.toposorted_asset_keys) if n.partitions_def)
repository = definitions.get_repository_def()

def untyped(config_type, path=""):
    if config_type.kind.name == "ANY":
        yield path
    for name, field in getattr(config_type, "fields", {{}}).items():
        yield from untyped(field.config_type, f"{{path}}.{{name}}".lstrip("."))

print(json.dumps(dict(
    heavy=heavy,
    graph="\\n".join(lines) + "\\n",
    days=[first.get_partition_keys()[0], len(first.get_partition_keys())],
    jobs=sorted(job.name for job in repository.get_all_jobs() if not job.name.startswith("__")),
    schedules=sorted(schedule.name for schedule in repository.schedule_defs),
    untyped=sorted(set().union(*(untyped(job.run_config_schema.config_type) for job in repository.get_all_jobs()))),
)))
"""


def described(profile: str, **environment: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DESCRIBE],
        env={**os.environ, "GENREC_PROFILE": profile, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def numbers_or_auto() -> set[str]:
    """Where the launchpad takes a number or `auto`."""
    found = {"resources.argus.config.model.backbone.dropout"}  # That of HSTU's layers, where these are chosen.
    for section in ("argus", "evaluation", "training"):
        settings = section_settings(section, getattr(load_profile("demo"), section))
        for path in marked(settings):
            if not isinstance(value_at(settings, path), str):
                found.add(f"resources.{section}.config.{path}")
    return found


def test_demo_loads_light_with_fourteen_days_and_the_committed_graph() -> None:
    found = described("demo")
    assert found["heavy"] == []
    first_day = load_profile("demo").start()
    assert found["days"] == [first_day.isoformat(), (datetime.now(UTC).date() - first_day).days]
    assert found["jobs"] == [
        "argus",
        "compaction",
        "forgetting",
        "full_train",
        "line",
        "nightly",
        "nightly_train",
        "ranking",
        "refresh",
        "replay",
        "retention",
        "rollback",
        "scaling",
        "tuning",
    ]
    assert found["schedules"] == ["compaction", "full_train", "nightly", "nightly_train", "refresh", "retention"]
    # Besides Dagster's own, through which nothing of ours passes: numbers or auto, which the section itself refuses.
    assert found["untyped"] == sorted(["resources.io_manager.config", *numbers_or_auto()]), "nobody reads that"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        GRAPH.write_text(str(found["graph"]))
    assert found["graph"] == GRAPH.read_text(), "the graph changed: look at it, then set UPDATE_SNAPSHOTS=1"


def test_movielens_loads_with_every_day_of_its_log(tmp_path: Path) -> None:
    found = described("movielens-1m", GENREC_ML1M=str(tmp_path))
    assert found["days"] == ["2000-04-25", 1040]


def test_the_profiles_of_argus_load_with_their_settings(tmp_path: Path) -> None:
    assert described("kuairand-pure", GENREC_KUAIRAND=str(tmp_path))["days"] == ["2022-04-07", 32]
    graph = str(described("demo-argus")["graph"])
    evaluated = next(line for line in graph.splitlines() if line.startswith("evaluation "))
    assert "user_item_towers" in evaluated, "its versions are asked what the others are asked"


TICK = """
import json
from datetime import datetime, timezone
import dagster as dg
from orchestration.definitions import defs
definitions = defs()
found = {}
for name in ("nightly", "full_train", "nightly_train"):
    schedule = definitions.resolve_schedule_def(name)
    requests = []
    for night in range(1, 15):
        context = dg.build_schedule_context(
            scheduled_execution_time=datetime(2026, 1, night, 2, 0, tzinfo=timezone.utc),
            repository_def=definitions.get_repository_def(),
        )
        requests += schedule.evaluate_tick(context).run_requests
    found[name] = dict(
        cron=schedule.cron_schedule,
        status=schedule.default_status.value,
        requested=[(r.partition_key or r.tags["dagster/partition"], r.run_key) for r in requests],
        starts=[r.run_config.get("resources") for r in requests],
    )
print(json.dumps(found))
"""


def test_each_tick_requests_yesterdays_partition_once_and_sundays_are_trained_from_scratch(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(
        "{first_day: 2026-01-01, source: {kind: demo_world}, training: {positive_actions: [click]}}"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", TICK],
        env={**os.environ, "GENREC_PROFILE": str(tmp_path / "shop.yaml")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    days = [f"2026-01-{day:02}" for day in range(1, 14)]
    for schedule in found.values():
        assert schedule["cron"] == "0 2 * * *"
        assert schedule["status"] == "STOPPED"
        assert None not in [key for _, key in schedule["requested"]]
    requested = {name: [day for day, _ in schedule["requested"]] for name, schedule in found.items()}
    assert requested["nightly"] == days
    assert requested["full_train"] == ["2026-01-03", "2026-01-10"], "in the nights that begin on Sundays"
    assert sorted(requested["full_train"] + requested["nightly_train"]) == days
    for name, start in (("full_train", None), ("nightly_train", "champion")):
        assert {str(told) for told in found[name]["starts"]} == {str({"training": {"config": {"start_from": start}}})}


@pytest.mark.parametrize("use_tuned", [False, True])
def test_the_search_is_an_input_only_of_a_model_that_takes_what_it_found(use_tuned: bool, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    training = {"positive_actions": ["click"], "use_tuned": use_tuned}
    path.write_text(json.dumps({"first_day": "2026-01-01", "source": {"kind": "demo_world"}, "training": training}))
    model, search = hstu_model.key, tuned_hyperparameters.key
    (found,) = [asset for asset in all_assets(load_profile(str(path))) if model in asset.keys]
    assert (search in found.asset_deps[model]) is use_tuned
    assert training_set.key in found.asset_deps[model]


@pytest.mark.parametrize("release", [False, True])
def test_argus_is_trained_by_the_line_only_where_it_may_be_released(release: bool, tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    told = {"training": {"positive_actions": ["click"]}, "argus": {"release": release}}
    path.write_text(json.dumps({"first_day": "2026-01-01", "source": {"kind": "demo_world"}, **told}))
    deps = {key: deps for asset in all_assets(load_profile(str(path))) for key, deps in asset.asset_deps.items()}
    assert (user_item_towers.key in deps[evaluation.key]) is release
    assert user_item_towers.key in deps[argus_evaluation.key]
