"""The modules that hold the assets, in the order in which data travels."""

from collections.abc import Sequence
from importlib import import_module
from types import ModuleType

import dagster as dg

MODULES = (
    "assets.sources.assets",
    "assets.events.assets",
    "assets.items.assets",
    "assets.sequences.assets",
    "assets.content.assets",
    "assets.training.assets",
    "assets.evaluation.assets",
    "assets.release.assets",
    "assets.endpoint.assets",
)


def _modules() -> Sequence[ModuleType]:
    found = []
    for name in MODULES:
        try:
            found.append(import_module(name))
        except ModuleNotFoundError as error:
            if error.name not in MODULES:
                raise
    return found


def assets() -> Sequence[dg.AssetsDefinition]:
    return [a for a in dg.load_assets_from_modules(_modules()) if isinstance(a, dg.AssetsDefinition)]


def asset_checks() -> Sequence[dg.AssetChecksDefinition]:
    return dg.load_asset_checks_from_modules(_modules())
