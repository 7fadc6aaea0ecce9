"""The losses of three short trainings in fp32, as they were before the models became families.

What draws, masks, cuts, packs and shortens has a part in them, so a change of structure that changes behaviour shows.
UPDATE_SNAPSHOTS=1 takes them anew, which only a change of behaviour that is meant may do.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from models.config.losses import SampledSoftmaxConfig
from models.config.model import Backbone, HstuConfig, ItemTowerConfig, LigrConfig, ModelConfig, SasrecConfig
from models.config.training import StochasticLengthConfig, TrainingConfig, WindowsConfig
from models.families.registry import build
from models.interactions import Interactions
from models.training.loop import fit

GOLDEN = Path(__file__).with_name("golden_losses.json")
ITEMS, USERS, CONTENT = 200, 150, 6
CLOSE = 1e-5
"""Another processor adds in another order; a draw that moved by one place changes a loss by a hundred times this."""

BACKBONES: dict[str, tuple[Backbone, dict[str, object]]] = {
    "hstu": (
        HstuConfig(layers=2, heads=2, head_dim=8),
        {
            "loss": SampledSoftmaxConfig(negatives=32, shared=True, cold_negatives=0.2),
            "stochastic_length": StochasticLengthConfig(alpha=1.6),
            "schedule": "cosine",
        },
    ),
    "sasrec": (SasrecConfig(heads=2), {"loss": SampledSoftmaxConfig(negatives=16, positions_per_draw=4)}),
    "ligr": (
        LigrConfig(heads=2),
        {
            "loss": SampledSoftmaxConfig(negatives=16, source="in_batch"),
            "windows": WindowsConfig(sampling="sliding"),
            "tokens_per_step": 300,
            "weight_decay": 0.01,
        },
    ),
}


def histories() -> Interactions:
    """Users of all lengths who walk through the items with a taste of their own; some items have no ID yet."""
    draw = np.random.default_rng(0)
    walks = []
    for length in draw.integers(2, 60, USERS):
        rows = (draw.integers(0, ITEMS) + np.cumsum(draw.integers(1, 4, length))) % ITEMS + 1
        walks.append((rows.tolist(), (1_700_000_000_000 + np.cumsum(draw.integers(0, 10**7, length))).tolist()))
    return Interactions.of(walks)


def losses(name: str) -> list[float]:
    backbone, settings = BACKBONES[name]
    config = ModelConfig(
        width=16, max_length=24, backbone=backbone, items=ItemTowerConfig(content_dim=CONTENT, id_masking=0.2)
    )
    training = TrainingConfig.model_validate(
        {"epochs": 4, "batch_size": 32, "learning_rate": 3e-3, "seed": 7} | settings
    )
    content = np.random.default_rng(1).standard_normal((ITEMS + 1, CONTENT), dtype=np.float32)
    torch.manual_seed(training.seed)
    recommender = build(config, ITEMS, content=torch.from_numpy(content))
    found: list[float] = []
    fit(recommender, histories(), training, on_epoch=lambda report, *_: found.append(report.loss))
    return found


@pytest.mark.parametrize("name", BACKBONES)
def test_the_same_seed_gives_the_same_losses(name: str) -> None:
    found = losses(name)
    if os.environ.get("UPDATE_SNAPSHOTS"):
        kept = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
        GOLDEN.write_text(json.dumps(kept | {name: found}, indent=2) + "\n")
    assert found == pytest.approx(json.loads(GOLDEN.read_text())[name], rel=CLOSE)
