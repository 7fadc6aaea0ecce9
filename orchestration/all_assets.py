"""The assets and their checks, in the order in which data travels."""

from collections.abc import Sequence

import dagster as dg

import assets.argus.assets
import assets.content.assets
import assets.data_report.assets
import assets.endpoint.assets
import assets.endpoint.checks
import assets.evaluation.assets
import assets.events.assets
import assets.items.assets
import assets.ranking.assets
import assets.release.assets
import assets.scaling.assets
import assets.sequences.assets
import assets.sources.assets
import assets.training.assets
import assets.training.blend_assets
import assets.training.set_assets
import assets.training.simple_assets
import assets.vectors.assets
import assets.vectors.new_item_assets
from assets.code_version import code_version
from assets.data_version import digest
from orchestration.profile import Profile, section_settings
from orchestration.resources import settings_of

MODULES = (
    assets.sources.assets,
    assets.events.assets,
    assets.items.assets,
    assets.sequences.assets,
    assets.data_report.assets,
    assets.content.assets,
    assets.training.set_assets,
    assets.training.simple_assets,
    assets.training.assets,
    assets.training.blend_assets,
    assets.scaling.assets,
    assets.evaluation.assets,
    assets.release.assets,
    assets.vectors.new_item_assets,
    assets.vectors.assets,
    assets.endpoint.assets,
    assets.endpoint.checks,
    assets.ranking.assets,
    assets.argus.assets,
)

SEARCH = assets.training.assets.tuned_hyperparameters.key
TOWERS = assets.argus.assets.user_item_towers.key


def all_assets(profile: Profile) -> Sequence[dg.AssetsDefinition]:
    """The assets, each with a code version of what makes it: the commit, and the settings that the profile gives it.

    The search is an input of a model only where the profile says `use_tuned`, and ARGUS of what is evaluated and
    published only where it says `argus.release`.
    """
    loaded = dg.load_assets_from_modules(MODULES)
    return [_as_in_profile(asset, profile) for asset in loaded if isinstance(asset, dg.AssetsDefinition)]


def _as_in_profile(asset: dg.AssetsDefinition, profile: Profile) -> dg.AssetsDefinition:
    settings = settings_of(profile, asset.required_resource_keys)
    version = f"{code_version()} {digest(settings)[:8]}" if settings else code_version()
    # Where a model takes nothing from the search, the UI would warn at each launch that the search was never made.
    unread = set() if section_settings("training", profile.training).use_tuned else {SEARCH}
    # What the evaluation waits for is trained every night.
    optional = set() if section_settings("argus", profile.argus).release else {TOWERS}

    def of_profile(spec: dg.AssetSpec) -> dg.AssetSpec:
        left_out = unread | optional if spec.group_name != "argus" else unread
        deps = [dep for dep in spec.deps if dep.asset_key not in left_out]
        return spec.replace_attributes(code_version=version, deps=deps)

    return asset.map_asset_specs(of_profile)


def all_checks() -> Sequence[dg.AssetChecksDefinition]:
    return dg.load_asset_checks_from_modules(MODULES)
