"""The assets and their checks, in the order in which data travels."""

from collections.abc import Sequence

import dagster as dg

import assets.content.assets
import assets.endpoint.assets
import assets.endpoint.checks
import assets.evaluation.assets
import assets.events.assets
import assets.items.assets
import assets.release.assets
import assets.sequences.assets
import assets.sources.assets
import assets.training.assets

MODULES = (
    assets.sources.assets,
    assets.events.assets,
    assets.items.assets,
    assets.sequences.assets,
    assets.content.assets,
    assets.training.assets,
    assets.evaluation.assets,
    assets.release.assets,
    assets.endpoint.assets,
    assets.endpoint.checks,
)


def all_assets() -> Sequence[dg.AssetsDefinition]:
    loaded = dg.load_assets_from_modules(MODULES)
    return [asset for asset in loaded if isinstance(asset, dg.AssetsDefinition)]


def all_checks() -> Sequence[dg.AssetChecksDefinition]:
    return dg.load_asset_checks_from_modules(MODULES)
