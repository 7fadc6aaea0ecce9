"""The model of a training set: the profile's shape, with the actions, columns and factors that the set holds."""

from pathlib import Path

from assets.argus.settings import ArgusSettings
from assets.ranking.ranking_set import RankingSetSettings
from assets.training.dataset import read_dataset
from assets.training.interaction_files import read_columns
from models.argus.config import ArgusConfig


def fitted_to(settings: ArgusSettings, ranking: RankingSetSettings, folder: Path) -> ArgusConfig:
    """What is trained on the ranking set in `folder`.

    Args:
        ranking: By which the set was made. Each of its actions is a factor where the profile names none. How likely an
            item was to be shown is not read, as nobody knows it of what has not been chosen yet.

    Raises:
        ValueError: a factor is of an action or a column that is not there, a column that is declared as known at the
            request tells an outcome, or the set was made by earlier code.
    """
    from models.argus.columns import columns_of, require_no_outcome

    stored = read_columns(folder)
    if not stored.actions:
        raise ValueError(f"the training set {folder.name} was made by earlier code: materialize `ranking_set` again")
    histories = read_dataset(folder).histories
    declared = {name: column for name, column in stored.declared.items() if name != ranking.propensity}
    told = settings.model.model_dump() | {
        "actions": stored.actions,
        "columns": columns_of(histories, declared, stored.categories),
        "factors": settings.told(ranking.actions),
        "next_item": settings.learn != "feedback",
    }
    config = ArgusConfig.model_validate(told)
    require_no_outcome(histories, config)
    return config
