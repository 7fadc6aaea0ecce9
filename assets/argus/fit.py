"""The model of a training set: the profile's shape, with the actions, columns and factors that the set holds."""

from pathlib import Path

from assets.argus.settings import ArgusSettings
from assets.ranking.ranking_set import RankingSetSettings
from assets.training.dataset import read_dataset
from assets.training.interaction_files import read_columns
from models.argus.config import ArgusConfig
from models.argus.two_towers_config import TwoTowersConfig, default_scale
from models.families.registry import read_config
from models.manifest import read_manifest


def fitted_to(settings: ArgusSettings, ranking: RankingSetSettings, folder: Path) -> ArgusConfig:
    """What is trained on the ranking set in `folder`.

    Args:
        ranking: By which the set was made. Each of its actions is a factor where the profile names none. How likely an
            item was to be shown is not read, as nobody knows it of what has not been chosen yet, nor is what the
            ranker in production said of it, over which the uplift is told.

    Raises:
        ValueError: a factor is of an action or a column that is not there, a column that is declared as known at the
            request tells an outcome, or the set was made by earlier code.
    """
    from models.argus.columns import columns_of, require_no_outcome

    stored = read_columns(folder)
    if not stored.actions:
        raise ValueError(f"the training set {folder.name} was made by earlier code: materialize `ranking_set` again")
    histories = read_dataset(folder).histories
    unread = (ranking.propensity, settings.towers.production)
    declared = {name: column for name, column in stored.declared.items() if name not in unread}
    told = settings.model.model_dump() | {
        "actions": stored.actions,
        "columns": columns_of(histories, declared, stored.categories),
        "factors": settings.told(ranking.actions),
        "next_item": settings.learn != "feedback",
    }
    config = ArgusConfig.model_validate(told)
    require_no_outcome(histories, config)
    return config


def towers_fitted_to(
    settings: ArgusSettings, ranking: RankingSetSettings, folder: Path, backbone: Path | None
) -> TwoTowersConfig:
    """The two towers that are trained on the ranking set in `folder`.

    Args:
        ranking: By which the set was made.
        backbone: The version whose weights they start from; None: from none.

    Raises:
        ValueError: the backbone is of another training set, the scale names what is not there, or as in `fitted_to`.
    """
    if backbone is None:
        shape: ArgusConfig = fitted_to(settings, ranking, folder)
    else:
        made_of, found = read_manifest(backbone).training_set, read_config(backbone)
        if made_of != folder.name:
            raise ValueError(
                f"version {backbone.name} was trained on {made_of}, not on {folder.name}: materialize `argus_backbone`"
            )
        assert isinstance(found, ArgusConfig)
        shape = found
    factors, own = settings.feedback(ranking.actions), settings.towers
    ordered = [factor for factor in factors if not (factor.column and _is_category(shape, factor.column))]
    return TwoTowersConfig.model_validate(
        shape.model_dump(exclude={"family", "size", "quality"})
        | {
            "factors": factors,
            "next_item": True,
            "exposure": ranking.exposure,
            "scale": own.scale or default_scale(ordered),
            "delay_hours": own.delay_hours,
            "max_length": own.max_length or shape.max_length,
        }
    )


def _is_category(shape: ArgusConfig, name: str) -> bool:
    column = shape.column(name)
    return column is not None and bool(column.values)
