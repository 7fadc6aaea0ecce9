"""Which columns a model reads as what, what gives the item away, and what is an outcome in disguise."""

import numpy as np
import pytest

from models.argus.columns import columns_of, require_no_outcome
from models.argus.config import ArgusConfig
from models.argus.features import codes_of, context_codes, feedback_codes, labels
from models.columns import ACTIONS, STARTED
from models.declared import DeclaredColumn, DeclaredColumns
from models.interactions import Interactions
from models.known import declared as known_when
from tests.models.argus.worlds import ITEMS, config, people

DECLARED: DeclaredColumns = {
    "device": DeclaredColumn(known="request", type="category"),
    "length": DeclaredColumn(known="request", type="number"),
    "watched": DeclaredColumn(known="outcome", type="number"),
}
NAMES = {"surface": ("home", "search"), "device": ("phone", "tv")}


def log(**more: np.ndarray) -> Interactions:
    users, random = people([40] * 20), np.random.default_rng(0)
    count = len(users.timestamps)
    columns: dict[str, np.ndarray] = {
        "device": random.integers(0, 2, count).astype(np.int16),
        "length": (users.item_index * 10.0).astype(np.float32),
        "watched": random.random(count).astype(np.float32),
        **more,
    }
    when = known_when({name: column.known for name, column in DECLARED.items()})
    return Interactions(users.offsets, {**users.columns, **columns}, when)


def of(users: Interactions) -> ArgusConfig:
    return config(columns=columns_of(users, DECLARED, NAMES))


def test_types_decide_what_a_column_is_and_the_data_whether_it_is_the_items() -> None:
    read = {column.name: column for column in of(log()).columns}
    roles = {name: column.role for name, column in read.items()}
    assert roles == {
        "surface": "context",
        "value": "feedback",
        "device": "context",
        "length": "item",
        "watched": "feedback",
    }
    assert read["device"].values == ("phone", "tv")
    assert len(read["length"].edges) == ITEMS - 1
    codes = codes_of(read["watched"], log().column("watched"))
    assert np.bincount(codes)[1:].min() > 10


def test_a_column_that_tells_an_outcome_is_refused() -> None:
    fair = log()
    require_no_outcome(fair, of(fair))
    liked = (fair.column(ACTIONS) >> 1) & 1
    leak = log(device=liked.astype(np.int16))
    with pytest.raises(ValueError, match="column 'device', which is declared as known at the request, tells like but"):
        require_no_outcome(leak, of(leak))
    spread = log(length=(liked + np.random.default_rng(1).random(len(liked))).astype(np.float32))
    with pytest.raises(ValueError, match=r"column 'length', .* declare it as `known: outcome`"):
        require_no_outcome(spread, of(spread))


def test_columns_without_a_value_are_not_read() -> None:
    empty = log(length=np.full(800, np.nan, np.float32), watched=np.ones(800, np.float32))
    read = [column.name for column in of(empty).columns]
    assert read == ["surface", "value", "device"]


def test_codes_and_labels() -> None:
    users, made = people([3]), config()
    columns = {
        "actions": np.array([1, 3, 5]),
        "value": np.array([np.nan, 0.05, 0.95], np.float32),
        "surface": np.array([-1, 0, 1]),
    }
    assert feedback_codes(made, columns, 3).tolist() == [[2, 1, 1, 0], [2, 2, 1, 1], [2, 1, 2, 2]]
    assert labels(made, columns, 3).tolist() == [[0, -1], [1, 0], [0, 2]]
    started = users.column(STARTED)
    codes = context_codes(made, columns, started, np.array([-1, started[1] - 1000, started[2]]))
    assert codes[:, 1:].tolist() == [[0, 0], [3, 1], [1, 2]]
    with pytest.raises(ValueError, match="has code 1 in surface, whose names are 1"):
        codes_of(made.columns[0].model_copy(update={"values": ("home",)}), columns["surface"])
