"""The assets and their checks, in the order in which data travels."""

from collections.abc import Sequence

import dagster as dg

import assets.content.assets
import assets.endpoint.assets
import assets.endpoint.checks
import assets.evaluation.assets
import assets.events.assets
import assets.items.assets
import assets.ranking.assets
import assets.release.assets
import assets.sequences.assets
import assets.sources.assets
import assets.training.assets
import assets.training.set_assets
from assets.code_version import code_version
from assets.data_version import digest
from orchestration.profile import Profile
from orchestration.resources import settings_of

MODULES = (
    assets.sources.assets,
    assets.events.assets,
    assets.items.assets,
    assets.sequences.assets,
    assets.content.assets,
    assets.training.set_assets,
    assets.training.assets,
    assets.evaluation.assets,
    assets.release.assets,
    assets.endpoint.assets,
    assets.endpoint.checks,
    assets.ranking.assets,
)


def all_assets(profile: Profile) -> Sequence[dg.AssetsDefinition]:
    """The assets, each with a code version of what makes it: the commit, and the settings that the profile gives it."""
    loaded = dg.load_assets_from_modules(MODULES)
    return [_versioned(asset, profile) for asset in loaded if isinstance(asset, dg.AssetsDefinition)]


def _versioned(asset: dg.AssetsDefinition, profile: Profile) -> dg.AssetsDefinition:
    settings = settings_of(profile, asset.required_resource_keys)
    version = f"{code_version()} {digest(settings)[:8]}" if settings else code_version()
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(code_version=version))


def all_checks() -> Sequence[dg.AssetChecksDefinition]:
    return dg.load_asset_checks_from_modules(MODULES)
