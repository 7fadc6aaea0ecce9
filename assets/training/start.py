"""Whether a new version may start from an earlier one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from models.config.model import FamilyConfig, TrainedConfig
from models.families.registry import read_config
from models.manifest import Manifest, read_manifest
from storage.lake import Lake
from storage.schema import AT, SUPPRESSIONS_TABLE

RATES = ("dropout", "masking", "hide_new", "optimism")
"""What a configuration calls that which training alone reads: with another value the model is the same."""


def start_of(
    lake: Lake, where: str, parent: str, model: TrainedConfig, manifest: Manifest, tell: Callable[[str], None]
) -> Path | None:
    """The folder of the version from which a training goes on; None where it cannot, which is told with the reason.

    Args:
        where: Folder of all families: `ARTIFACTS`, or that of the ablations.
        parent: The version.
        model: Configuration of the version to be trained, with its item tower.
        manifest: Its manifest so far.
    """
    folder = lake.folder(where) / model.family / parent
    if why_not := why_not_from(lake, folder, model, manifest):
        tell(f"training starts from scratch, not from version {parent}: {why_not}")
        return None
    tell(f"training starts from version {parent}")
    return folder


def ancestors_of(folder: Path) -> list[str]:
    """The version in `folder` and those that it was started from, one from the other, down to the one from scratch."""
    manifest = read_manifest(folder)
    return [manifest.version, *(manifest.ancestors or [*filter(None, [manifest.parent])])]


def why_not_from(lake: Lake, folder: Path, model: TrainedConfig, manifest: Manifest) -> str | None:
    """Why the training of a version cannot start from the one in `folder`, and what to do; None where it can.

    That is no error: a nightly run goes on from scratch.

    Args:
        model: Configuration of the version to be trained.
        manifest: Its manifest so far.
    """
    from models.warm_start import differences, read_parent

    try:
        theirs, config = read_manifest(folder), read_config(folder)
        read_parent(folder)
    except (OSError, ValueError) as error:
        return f"it is missing, damaged or of an earlier release ({error}); the version trained now can be started from"
    if lake.exists(SUPPRESSIONS_TABLE):
        forgotten = lake.scan(SUPPRESSIONS_TABLE).select(pl.col(AT).max()).collect().item()
        if forgotten is not None and forgotten >= theirs.created:
            return (
                f"it was made before somebody was forgotten on {forgotten:%Y-%m-%d}, whom its weights have seen; the "
                "version trained now can be started from"
            )
    if theirs.cutoff > manifest.cutoff:
        return (
            f"it was trained until {theirs.cutoff:%Y-%m-%d %H:%M}, so it has seen what this version is asked; promote "
            f"one that was trained until {manifest.cutoff:%Y-%m-%d %H:%M} at most"
        )
    held_out = {"held_out_users", "held_out_seed", "held_out_ties", "repeats"}
    others = differences(manifest.model_dump(include=held_out), theirs.model_dump(include=held_out))
    if others:
        return (
            f"it held out other interactions ({', '.join(others)}), so it has seen some that this version is asked; "
            "set these settings of `evaluation` back, or go on: the version trained now can be started from"
        )
    wrong = differences(_function_of(_as_known(model, config)), _function_of(config))
    if wrong:
        return (
            f"its model is another ({', '.join(wrong)}); set that back, or go on: the version trained now can be "
            "started from once it is champion"
        )
    return None


def _as_known(model: TrainedConfig, parent: FamilyConfig) -> TrainedConfig:
    """`model` without its modalities where its parent is of earlier code, which did not say what it was made of."""
    if isinstance(parent, TrainedConfig) and parent.items.modalities:
        return model
    return model.model_copy(update={"items": model.items.model_copy(update={"modalities": {}})})


def _function_of(model: FamilyConfig) -> dict[str, Any]:
    """The configuration without what training alone reads."""

    def without_rates(settings: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: without_rates(value) if isinstance(value, Mapping) else value
            for name, value in settings.items()
            if not any(rate in name for rate in RATES)
        }

    return without_rates(model.model_dump(mode="json"))
