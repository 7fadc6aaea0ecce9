"""A log in the terms of a version that was trained on another one."""

import numpy as np

from models.argus.log import in_terms_of
from models.columns import ACTIONS, STARTED, SURFACE, VALUE
from models.interactions import Interactions
from tests.models.argus.worlds import config


def test_actions_and_names_are_found_and_what_is_new_is_as_if_it_were_not_there() -> None:
    log = Interactions.of([([1, 2, 3, 4], [10, 20, 30, 40])])
    log = log.with_columns(
        {ACTIONS: np.array([0b001, 0b011, 0b100, 0b111]), SURFACE: np.array([0, 1, -1, 2]), STARTED: log.timestamps - 1}
    )
    told = in_terms_of(config(), log, ["like", "buy", "impression"], {SURFACE: ["app", "search", "home"]})
    assert told.column(ACTIONS).tolist() == [0b010, 0b010, 0b001, 0b011]
    assert told.column(SURFACE).tolist() == [-1, 1, -1, 0]
    assert told.column(STARTED).tolist() == [9, 19, 29, 39]
    assert np.isnan(told.column(VALUE)).all()
