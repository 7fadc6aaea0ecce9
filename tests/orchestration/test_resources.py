"""What decides a training set comes from two sections, wherever these come from, and from nothing else in them."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from orchestration.profile import Profile, load_profile
from orchestration.resources import build_resources, settings_of

GIVEN: dict[str, Any] = {
    "first_day": "2026-01-01",
    "source": {"kind": "demo_world"},
    "training": {"positive_actions": ["click"]},
}


def profile(folder: Path, **sections: Any) -> Profile:
    path = folder / "shop.yaml"
    given = {**GIVEN, **sections, "training": GIVEN["training"] | sections.get("training", {})}
    path.write_text(yaml.safe_dump({**given, "lake": {"root": str(folder)}}))
    return load_profile(str(path))


@pytest.mark.parametrize(
    ("sections", "other"),
    [
        ({"evaluation": {"ks": [5, 10]}}, False),
        ({"training": {"model": {"width": 32}}}, False),
        ({"evaluation": {"window_days": 2}}, True),
        ({"training": {"validation_users": 7}}, True),
        ({"training": {"optimisation": {"seed": 7}}}, True),
    ],
)
def test_only_what_decides_it_makes_a_training_set_stale(tmp_path: Path, sections: Any, other: bool) -> None:
    before = settings_of(profile(tmp_path), {"set_settings", "lake"})
    assert before.keys() == {"set_settings"}
    assert (settings_of(profile(tmp_path, **sections), {"set_settings"}) != before) == other


def test_a_launch_that_changes_a_section_changes_what_is_made_of_it(tmp_path: Path) -> None:
    seen = []

    @dg.op(required_resource_keys={"set_settings"})
    def look(context: dg.OpExecutionContext) -> None:
        seen.append(context.resources.set_settings)

    @dg.job(resource_defs=build_resources(profile(tmp_path)))
    def looking() -> None:
        look()

    launch = {"resources": {"evaluation": {"config": {"window_days": 3}}}}
    assert looking.execute_in_process(run_config=launch).success
    assert looking.execute_in_process().success
    assert [found.evaluation.window_days for found in seen] == [3, 1]
