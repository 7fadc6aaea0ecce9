"""The resources of every asset, built from a profile; the launchpad may lay other settings over its sections."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from assets.ranking.ranking_set import RankingSetSettings
from assets.resources import RayCluster, Storage
from assets.sources.settings import SourceSettings, open_source
from assets.sources.source import Source
from assets.splits.settings import CutoffSettings
from assets.training.training_set import TrainingSetSettings
from assets.validation.settings import QualitySettings
from orchestration.environment import state_folder
from orchestration.launchpad import overridden, schema
from orchestration.profile import SECTIONS, Profile, section_settings
from orchestration.suites import suites
from storage.owner import claim
from storage.places import is_uri

DERIVED: Mapping[str, tuple[tuple[str, ...], Callable[..., Any]]] = {
    "cutoff_settings": (("training", "evaluation"), CutoffSettings.of),
    "set_settings": (("training", "evaluation"), TrainingSetSettings.of),
    "ranking_set_settings": (("ranking", "evaluation", "training"), RankingSetSettings.of),
}
"""The names by which assets ask for what decides a training set, to the sections of which it is some, and how."""


def build_resources(profile: Profile) -> dict[str, object]:
    """One resource for each name that an asset may ask for."""
    storage = storage_of(profile)
    cluster = RayCluster(
        mode="inline" if profile.ray.mode == "inline" else "attach",
        address=profile.ray.gcs_address,
        dashboard=profile.ray.dashboard_url,
    )

    def opened(settings: SourceSettings, quality: QualitySettings) -> Source:
        return open_source(settings, storage.landing, profile.start(), quality.columns)

    def checked(rules: QualitySettings) -> QualitySettings:
        suites(rules)
        return rules

    return {
        "lake": fixed_resource(lambda: _owned(storage, profile), "Where the tables are."),
        "ray": fixed_resource(lambda: cluster, "Which Ray cluster trains and serves."),
        **{section: settings_resource(profile, section) for section in SECTIONS},
        "source": settings_resource(profile, "source", opened, "quality"),
        "quality": settings_resource(profile, "quality", checked),
        **{name: _derived(sections, of) for name, (sections, of) in DERIVED.items()},
    }


def settings_of(profile: Profile, resources: Collection[str]) -> dict[str, Any]:
    """Of those resources that are settings, the settings as the profile gives them."""

    def given(section: str) -> Any:
        return section_settings(section, getattr(profile, section))

    whole = {section: given(section) for section in SECTIONS if section in resources}
    some = {name: of(*map(given, sections)) for name, (sections, of) in DERIVED.items() if name in resources}
    return whole | some


def _derived(sections: tuple[str, ...], of: Callable[..., Any]) -> dg.ResourceDefinition:
    return dg.ResourceDefinition(
        lambda context: of(*(getattr(context.resources, section) for section in sections)),
        config_schema={},
        required_resource_keys=set(sections),
        description=f"What decides a training set: it comes from {' and '.join(sections)}.",
    )


def storage_of(profile: Profile) -> Storage:
    """The place of the profile's tables and folders."""
    return Storage(
        root=profile.lake_root,
        storage_options=profile.lake.storage_options,
        artifacts=profile.artifacts_root,
        family=profile.family,
        landing=str(state_folder(profile.name) / "landing"),
        profile=profile.name,
        id_type=profile.id_type,
        user_buckets=profile.lake.user_buckets,
        rows_in_memory=profile.lake.rows_in_memory,
        engine=profile.lake.engine,
        ray_address=profile.ray.gcs_address,
        data_docs_url=profile.data_docs_url,
    )


def fixed_resource(made: Callable[[], object], description: str) -> dg.ResourceDefinition:
    """What belongs to the installation: a launch that would change it is refused."""
    return dg.ResourceDefinition(
        lambda _: made(), config_schema={}, description=f"{description} Only the profile decides that."
    )


def _owned(storage: Storage, profile: Profile) -> Storage:
    """The tables, which a run may write from now on.

    Raises:
        OwnedByAnother: they are another profile's.
    """
    if not is_uri(storage.root):
        Path(storage.root).mkdir(parents=True, exist_ok=True)
    claim(storage.root, profile.name, profile.origin, storage.storage_options)
    return storage


def settings_resource(
    profile: Profile, section: str, opened: Callable[..., Any] = lambda settings: settings, *others: str
) -> dg.ResourceDefinition:
    """The settings of a section, as the profile gives them where a launch does not.

    Dagster makes all resources of a run before its first step, and so refuses there what the schema cannot say.

    Args:
        profile: Whose section is read.
        section: Its name.
        opened: From the settings, and from `others`, to what assets get.
        others: Resources that it takes, too.
    """
    written = getattr(profile, section)
    settings = section_settings(section, written)

    def resource(context: dg.InitResourceContext) -> Any:
        mine = section_settings(section, overridden(type(settings), written, context.resource_config or {}))
        return opened(mine, *(getattr(context.resources, name) for name in others))

    return dg.ResourceDefinition(
        resource,
        required_resource_keys=set(others),
        config_schema=dg.Field(schema(type(settings), settings), is_required=False),
        description=f"{Profile.model_fields[section].description} What a launch leaves out comes from the profile.",
    )
