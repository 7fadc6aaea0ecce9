"""Small ARGUS models, and people who are shown items."""

from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
import torch

from models.argus.config import ArgusConfig, ColumnConfig, EmbeddingConfig, FactorConfig
from models.argus.model import Argus
from models.argus.two_towers import TwoTowers
from models.argus.two_towers_config import TwoTowersConfig
from models.columns import ACTIONS, ITEM_INDEX, STARTED, SURFACE, TIMESTAMP, VALUE
from models.interactions import Interactions

Model = TypeVar("Model", bound=Argus)

ITEMS = 20
MINUTE = 60_000
EPOCH = 1_700_000_000_000
TRANSFORMER = {"name": "transformer", "layers": 2, "heads": 2, "dropout": 0.0}
HSTU = {"name": "hstu_research", "layers": 2, "heads": 2, "head_dim": 4, "dropout": 0.0}
STU = {"name": "hstu_dlrm_v3", "layers": 2, "heads": 2, "head_dim": 4, "dropout": 0.0}
BACKBONES = {"transformer": TRANSFORMER, "hstu": HSTU, "dlrm_v3": STU}


def config(**more: Any) -> ArgusConfig:
    told: dict[str, Any] = {
        "width": 12,
        "max_length": 8,
        "output_width": 6,
        "hidden": 10,
        "input_dropout": 0.0,
        "id_masking": 0.0,
        "embedding": EmbeddingConfig(rows=97, dim=4),
        "backbone": TRANSFORMER,
        "actions": ("impression", "like", "share"),
        "columns": (
            ColumnConfig(name=SURFACE, role="context", values=("home", "search")),
            ColumnConfig(name=VALUE, role="feedback", edges=(0.5,)),
        ),
        "factors": (
            FactorConfig(name="like", action="like"),
            FactorConfig(name="played", column=VALUE, edges=(0.1, 0.9)),
        ),
        **more,
    }
    return ArgusConfig.model_validate(told)


def towers_config(**more: Any) -> TwoTowersConfig:
    """Two towers of the same shape."""
    scale = ({"factor": "like", "grade": 1},)
    told = config().model_dump(exclude={"family", "size"}) | {"scale": scale, "delay_hours": 0.0} | more
    return TwoTowersConfig.model_validate(told)


def argus(of: ArgusConfig, seed: int = 0) -> Argus:
    """A model whose weights are large enough that everything it reads matters."""
    torch.manual_seed(seed)
    return enlarged(Argus(of, ITEMS))


def towers(of: TwoTowersConfig, seed: int = 0) -> TwoTowers:
    """The same of two towers."""
    torch.manual_seed(seed)
    return enlarged(TwoTowers(of, ITEMS))


def enlarged(model: Model) -> Model:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 and "norm" not in name:
                parameter.mul_(2)
        model.embedding.table.mul_(20)
    return model.eval()


def people(lengths: list[int], seed: int = 0, together: float = 0.0) -> Interactions:
    """Users who are shown so many items; with `together` some begin before the one before has ended."""
    random = np.random.default_rng(seed)
    count = sum(lengths)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    gaps = MINUTE * random.integers(2, 200, count)
    ended = np.concatenate([EPOCH + gaps[a:b].cumsum() for a, b in pairwise(offsets)] or [gaps])
    took = np.where(random.random(count) < together, 5 * 200 * MINUTE, MINUTE)
    value = random.random(count).astype(np.float32)
    return Interactions(
        offsets,
        {
            ITEM_INDEX: random.integers(1, ITEMS + 1, count),
            TIMESTAMP: ended,
            STARTED: ended - took,
            ACTIONS: 1 + 2 * random.integers(0, 4, count),
            VALUE: np.where(random.random(count) < 0.2, np.nan, value).astype(np.float32),
            SURFACE: random.integers(-1, 2, count).astype(np.int16),
        },
    )
