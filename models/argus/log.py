"""The interactions of a log in the terms of a version, which may have been trained on an older log."""

from collections.abc import Mapping, Sequence

import numpy as np

from models.argus.config import ArgusConfig
from models.argus.scoring import completed
from models.columns import ACTIONS
from models.interactions import Interactions


def in_terms_of(
    config: ArgusConfig, interactions: Interactions, actions: Sequence[str], categories: Mapping[str, Sequence[str]]
) -> Interactions:
    """With the columns that a model of this configuration reads, by its own bits and codes.

    What the model was never told of is as if it were not there: an action, a name of a category. A column that the log
    has no longer is empty.

    Args:
        interactions: With item indices of the version, and masks and codes of the log.
        actions: Those of the log in the order of their bits.
        categories: Names of each column of codes, in the order of these.
    """
    masks, told = interactions.column(ACTIONS).astype(np.int64), np.zeros(len(interactions.timestamps), np.int64)
    for bit, action in enumerate(config.actions):
        if action in actions:
            told |= ((masks >> actions.index(action)) & 1) << bit
    columns = {ACTIONS: told}
    for column in config.columns:
        if column.values and column.name in interactions.columns:
            code = {name: place for place, name in enumerate(column.values)}
            # The last entry is that of -1, which stands for nothing.
            own = np.array([*(code.get(name, -1) for name in categories.get(column.name, ())), -1])
            columns[column.name] = own[interactions.column(column.name)]
    return completed(interactions.with_columns(columns), config)
