"""The families that there are, by name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, overload

from pydantic import Discriminator, Tag

from models.families.argus import ArgusFamily
from models.families.argus_towers import ArgusTowersFamily
from models.families.blend import Blend
from models.families.family import Family, FittedFamily, Kind, TrainedFamily
from models.families.hstu import Hstu
from models.families.hstu_dlrm_v3 import HstuDlrmV3
from models.families.ials import Ials
from models.families.item_knn import ItemKnn
from models.families.ligr import Ligr
from models.families.popularity import Popularity
from models.families.sasrec import Sasrec
from models.manifest import CONFIG, read_manifest

if TYPE_CHECKING:
    from torch import Tensor

    from models.config.model import FamilyConfig, TrainedConfig
    from models.popularity import PopularityOverTime

FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        Hstu(),
        Sasrec(),
        Ligr(),
        HstuDlrmV3(),
        ArgusFamily(),
        ArgusTowersFamily(),
        Blend(),
        Popularity(),
        ItemKnn(),
        Ials(),
    )
}


def family_named(name: str) -> Family:
    """The family of this name.

    Raises:
        ValueError: there is none.
    """
    if name not in FAMILIES:
        raise ValueError(f"there is no family {name!r} of models, only {', '.join(FAMILIES)}")
    return FAMILIES[name]


def fitted_families() -> dict[str, FittedFamily]:
    """Those that are fitted at once rather than trained, by name."""
    return {name: family for name, family in FAMILIES.items() if isinstance(family, FittedFamily)}


@overload
def family_of(config: TrainedConfig) -> TrainedFamily: ...
@overload
def family_of(config: FamilyConfig) -> Family: ...
def family_of(config: FamilyConfig) -> Family:
    """The family that a configuration is of.

    Raises:
        ValueError: there is none of its name.
    """
    return family_named(config.family)


def any_config(kind: Kind) -> Any:
    """The type of a field that takes the configuration of any family of `kind` that is trained on positives; `family`
    tells which.

    What names none is of the first such family's type.
    """
    trained = [
        family
        for family in FAMILIES.values()
        if isinstance(family, TrainedFamily) and family.kind == kind and family.reads == "positives"
    ]
    configs = list(dict.fromkeys(family.config for family in trained))
    if len(configs) == 1:
        return configs[0]
    types = {family.name: family.config.__name__ for family in trained}

    def type_of(value: object) -> str | None:
        if not isinstance(value, dict):
            return type(value).__name__
        return types.get(value["family"]) if "family" in value else configs[0].__name__

    known = ", ".join(types)
    choice = Discriminator(
        type_of,
        custom_error_type="family",
        custom_error_message=f"the family of the model is not one of {known}",
    )
    return Annotated[Union[tuple(Annotated[config, Tag(config.__name__)] for config in configs)], choice]  # noqa: UP007


def read_config(folder: Path) -> FamilyConfig:
    """The configuration of the version in `folder`, of the family that its manifest names.

    Raises:
        ValueError: the manifest names none, as those of earlier code did, or they do not fit.
    """
    name = read_manifest(folder).family
    if not name:
        raise ValueError("it names no family of models, as versions of earlier code did: train it again")
    return family_named(name).config.model_validate_json((folder / CONFIG).read_text())


def build(
    config: TrainedConfig,
    items: int,
    trained: Tensor | None = None,
    content: Tensor | None = None,
    popularity: PopularityOverTime | None = None,
) -> Any:
    """An untrained model of the family that `config` names (`Family.build`)."""
    return family_of(config).build(config, items, trained, content, popularity)
