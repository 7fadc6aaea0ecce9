"""Settings in the launchpad: all fields are typed, a launch names only what it changes, and faults stop it early."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.snap.job_snapshot import JobSnap
from dagster._core.snap.snap_to_yaml import default_values_yaml_from_type_snap
from hypothesis import given
from hypothesis import strategies as st

from assets.sources.files import Files
from orchestration.launchpad import overridden
from orchestration.profile import SECTIONS, Profile, load_profile, section_settings
from orchestration.resources import settings_resource

SECRET = "made-up-secret-4711"
GIVEN: dict[str, dict[str, Any]] = {
    "source": {"kind": "files", "events": {"path": "/logs/{day}.csv"}, "items": {"path": "/items.csv"}},
    "training": {"positive_actions": ["click"], "optimisation": {"epochs": 12, "loss": {"temperature": 0.2}}},
}


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    path = tmp_path_factory.mktemp("profiles") / "shop.yaml"
    lake = {"root": str(path.parent), "storage_options": {"AWS_SECRET_ACCESS_KEY": SECRET}}
    path.write_text(yaml.safe_dump({"first_day": "2026-01-01", "lake": lake, **GIVEN}))
    return load_profile(str(path))


@pytest.fixture
def seen() -> list[Any]:
    return []


@pytest.fixture
def job(profile: Profile, seen: list[Any]) -> dg.JobDefinition:
    """A job whose one step puts down the settings of all stages as it gets them."""

    @dg.op(required_resource_keys=set(SECTIONS))
    def look(context: dg.OpExecutionContext) -> None:
        seen.append({stage: getattr(context.resources, stage) for stage in SECTIONS})

    return dg.JobDefinition(
        name="looking",
        graph_def=dg.GraphDefinition(name="looking", node_defs=[look]),
        resource_defs={stage: settings_resource(profile, stage) for stage in SECTIONS},
    )


def launched(**config: Any) -> dict[str, Any]:
    return {"resources": {stage: {"config": section} for stage, section in config.items()}}


def places(field_type: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every mapping with fixed keys in a config type, as the path of keys that leads there."""
    if isinstance(field_type, dg.Shape):
        yield path
        for name, field in field_type.fields.items():
            yield from places(field.config_type, (*path, name))
    elif isinstance(field_type, dg.Noneable):
        yield from places(field_type.inner_type, path)


def nested(path: tuple[str, ...], value: Any) -> Any:
    return {path[0]: nested(path[1:], value)} if path else value


@pytest.mark.parametrize("stage", SECTIONS)
def test_an_unknown_key_is_refused_at_launch_at_any_depth(job: dg.JobDefinition, profile: Profile, stage: str) -> None:
    found = list(places(settings_resource(profile, stage).config_schema.config_type))
    assert () in found
    for path in found:
        with pytest.raises(dg.DagsterInvalidConfigError, match="learning_rat"):
            dg.validate_run_config(job, launched(**{stage: nested(path, {"learning_rat": 1})}))


def test_typed_depths_are_those_of_the_models(profile: Profile) -> None:
    found = set(places(settings_resource(profile, "training").config_schema.config_type))
    assert {("optimisation", "loss"), ("model", "backbone"), ("search",)} <= found
    assert ("events",) in set(places(settings_resource(profile, "source").config_schema.config_type))


@pytest.mark.parametrize(
    "config",
    [
        {"training": {"workers": "many"}},
        {"training": {"workers": "auto"}},
        {"training": {"optimisation": {"optimizer": "auto"}}},
        {"training": {"optimisation": {"schedule": "linear"}}},
        {"training": {"model": {"backbone": {"name": "sasre"}}}},
        {"training": {"merge_adjacent": "items"}},
        {"training": {"positive_actions": "click"}},
        {"quality": {"severity": {"events.volume_like_last_week": "blok"}}},
        {"quality": {"drift": {"volume_ratio": ["low", "high"]}}},
        {"source": {"kind": "demo_world"}},
        {"source": {"events": {"format": "xlsx"}}},
        {"content": {"image": {"mode": "non"}}},
    ],
)
def test_a_value_of_another_type_is_refused_at_launch(job: dg.JobDefinition, config: dict[str, Any]) -> None:
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(job, launched(**config))


def test_a_launch_is_prefilled_with_nothing(job: dg.JobDefinition) -> None:
    snap = JobSnap.from_job_def(job)
    key = snap.mode_def_snaps[0].root_config_key
    assert key
    root = snap.config_schema_snapshot.get_config_snap(key)
    assert yaml.safe_load(default_values_yaml_from_type_snap(snap.config_schema_snapshot, root)) == {}


def test_every_field_is_described_and_tells_what_counts_unless_it_is_given(profile: Profile) -> None:
    for stage in SECTIONS:
        undescribed = [path for path, field in described(settings_resource(profile, stage)) if not field.description]
        assert not undescribed, stage
    told = {path: field.description for path, field in described(settings_resource(profile, "training"))}
    assert (
        told["optimisation", "epochs"] == "Passes over all users, at most. auto: what the data say. Unless given: 12."
    )
    assert (
        told["optimisation", "learning_rate"]
        == "The optimiser's learning rate, at its highest. auto: what the data say. Unless given: auto."
    )


def described(resource: dg.ResourceDefinition) -> Iterator[tuple[tuple[str, ...], dg.Field]]:
    def walk(config_type: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dg.Field]]:
        for name, field in getattr(config_type, "fields", {}).items():
            yield (*path, name), field
            yield from walk(field.config_type, (*path, name))

    yield from walk(resource.config_schema.config_type, ())


def test_a_launch_changes_what_it_names_and_leaves_the_rest_to_the_profile(job: dg.JobDefinition, seen: list) -> None:
    config = launched(
        training={"optimisation": {"loss": {"negatives": 7}}, "model": {"backbone": {"name": "sasrec", "layers": 3}}},
        quality={"future_tolerance": "PT3M"},
    )
    assert job.execute_in_process(run_config=config).success
    settings = seen[0]
    assert settings["training"].optimisation.epochs == 12
    assert settings["training"].optimisation.loss.negatives == 7
    assert settings["training"].optimisation.loss.temperature == 0.2
    assert (settings["training"].model.backbone.name, settings["training"].model.backbone.layers) == ("sasrec", 3)
    assert settings["quality"].future_tolerance == timedelta(minutes=3)
    assert settings["source"] == section_settings("source", GIVEN["source"])


def test_a_launch_leaves_to_the_data_what_the_profile_writes_and_the_other_way_round(
    job: dg.JobDefinition, seen: list[Any]
) -> None:
    config = launched(
        training={"optimisation": {"epochs": "auto", "schedule": "auto", "learning_rate": 1e-3}},
        evaluation={"primary_protocol": "auto", "window_days": 1},
    )
    assert job.execute_in_process(run_config=config).success
    training, evaluation = seen[0]["training"], seen[0]["evaluation"]
    assert {"optimisation.epochs", "optimisation.schedule"} <= set(training.left_to_data)
    assert not {"optimisation.learning_rate", "optimisation.loss.temperature"} & set(training.left_to_data)
    assert "primary_protocol" in evaluation.left_to_data
    assert "window_days" not in evaluation.left_to_data


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"training": {"optimisation": {"epochs": 0}}}, "training.optimisation.epochs: Input should be greater"),
        ({"training": {"optimisation": {"epochs": "many"}}}, "training.optimisation.epochs: Input should be a valid"),
        ({"training": {"model": {"backbone": {"name": "sasrec", "head_dim": 3}}}}, "head_dim: Extra inputs"),
        ({"evaluation": {"metric": "ndcg@3"}}, "'ndcg@3' is not measured"),
        ({"quality": {"actions": ["view", "view"]}}, "names an action twice"),
    ],
)
def test_what_no_type_can_say_ends_the_run_before_its_first_step(
    job: dg.JobDefinition, seen: list[Any], config: dict[str, Any], told: str
) -> None:
    result = job.execute_in_process(run_config=launched(**config), raise_on_error=False)
    assert not result.success
    assert not seen
    events = [event.event_type for event in result.all_events]
    assert dg.DagsterEventType.STEP_START not in events
    failure = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_FAILURE)
    assert told in str(failure.event_specific_data)


def test_another_kind_of_model_begins_anew() -> None:
    from models.config.model import ModelConfig

    base = {"width": 32, "backbone": {"name": "hstu_research", "head_dim": 8}}
    assert overridden(ModelConfig, base, {"backbone": {"name": "ligr"}}) == {"width": 32, "backbone": {"name": "ligr"}}
    same = overridden(ModelConfig, base, {"backbone": {"name": "hstu_research", "layers": 1}})
    assert same["backbone"] == {"name": "hstu_research", "head_dim": 8, "layers": 1}
    unnamed = {"backbone": {"head_dim": 8}}
    assert overridden(ModelConfig, unnamed, {"backbone": {"name": "sasrec"}}) == {"backbone": {"name": "sasrec"}}


MAPPINGS = st.recursive(
    st.integers() | st.lists(st.integers()),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=8,
)


@given(base=MAPPINGS, given_=MAPPINGS)
def test_what_is_given_wins_and_nothing_else_is_lost(base: Any, given_: Any) -> None:
    result = overridden(Any, base, given_)
    assert overridden(Any, result, given_) == result
    if isinstance(base, Mapping) and isinstance(given_, Mapping):
        assert result.keys() == base.keys() | given_.keys()
        assert all(result[key] == base[key] for key in base.keys() - given_.keys())
    else:
        assert result == given_


def test_credentials_of_the_store_are_in_nothing_that_the_ui_shows(profile: Profile, home: Path) -> None:
    from dagster._core.remote_representation.external_data import RepositorySnap
    from dagster_shared.serdes import serialize_value

    from orchestration.resources import build_resources

    @dg.asset(required_resource_keys={"lake", "source", "ray", "training"})
    def made(context: dg.AssetExecutionContext) -> None:
        assert context.resources.lake.storage_options["AWS_SECRET_ACCESS_KEY"] == SECRET
        assert isinstance(context.resources.source, Files)

    definitions = dg.Definitions(assets=[made], resources=build_resources(profile))
    repository = definitions.get_repository_def()
    assert "positive_actions" in serialize_value(RepositorySnap.from_def(repository))
    assert SECRET not in serialize_value(RepositorySnap.from_def(repository))
    assert SECRET not in repr(build_resources(profile))
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        result = job.execute_in_process(instance=instance)
        stored = [instance.get_run_by_id(result.run_id), *instance.all_logs(result.run_id)]
        assert result.success
        assert SECRET not in "".join(map(repr, stored))
