"""The families that there are, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.families.family import Family
from models.families.hstu import Hstu
from models.families.hstu_dlrm_v3 import HstuDlrmV3
from models.families.ligr import Ligr
from models.families.sasrec import Sasrec
from models.manifest import CONFIG, read_manifest

if TYPE_CHECKING:
    from torch import Tensor

    from models.config import FamilyConfig

FAMILIES: dict[str, Family] = {family.name: family for family in (Hstu(), Sasrec(), Ligr(), HstuDlrmV3())}


def family_named(name: str) -> Family:
    """The family of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in FAMILIES:
        raise ValueError(f"there is no family {name!r} of models, only {', '.join(FAMILIES)}")
    return FAMILIES[name]


def family_of(config: FamilyConfig) -> Family:
    """The family that a configuration is of.

    Raises:
        ValueError: there is none of its name.
    """
    return family_named(config.family)


def read_config(folder: Path) -> FamilyConfig:
    """The configuration of the version in `folder`, of the family that its manifest names.

    Raises:
        ValueError: the manifest names none, as those of earlier code did, or they do not fit.
    """
    name = read_manifest(folder).family
    if not name:
        raise ValueError("it names no family of models, as versions of earlier code did: train it again")
    return family_named(name).config.model_validate_json((folder / CONFIG).read_text())


def build(config: FamilyConfig, trained_items: int, content: Tensor | None = None) -> Any:
    """An untrained model of the family that `config` names (`Family.build`)."""
    return family_of(config).build(config, trained_items, content)
