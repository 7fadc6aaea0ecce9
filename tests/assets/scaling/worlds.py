"""A lake whose users walk a ring of items in steps of one to three.

    python -m tests.assets.scaling.worlds FOLDER

materializes `scaling_law` there, prints what it tells as it goes, and what it says at the end as a line of JSON.
"""

import json
import logging
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import polars as pl

from assets.resources import RayCluster, Storage
from assets.scaling.assets import scaling_law
from assets.scaling.law import plan_of
from assets.scaling.settings import HEAD_DIM, ScalingSettings
from assets.scaling.sweep import Sweep
from assets.splits.settings import EvaluationSettings
from assets.training.set_assets import training_set
from assets.training.settings import TrainingSettings
from assets.training.training_set import TrainingSetSettings, make_training_set
from models.auto import read_section
from storage.lake import Lake
from storage.schema import ITEMS_TABLE, items_schema
from tests.assets.sequences.test_build import FIRST, events, put, update

USERS, STEPS, RING = 160, 10, 30
TRAINING: dict[str, Any] = {
    "positive_actions": ["click"],
    "use_content": False,
    "cold_start_hours": 0,
    "validation_users": 3,
    "model": {"width": 16, "max_length": 16, "popularity": False, "backbone": {"layers": 1, "heads": 1}},
    "optimisation": {"epochs": 12, "patience": 0, "batch_size": 16, "learning_rate": 0.005},
}
EVALUATION = {"primary_protocol": "leave_one_out", "leave_one_out_users": 1000, "window_days": 1}
SCALING = ScalingSettings(
    sizes=tuple({HEAD_DIM: width} for width in (1, 3, 8, 16, 40)),
    fractions=(1.0, 0.5),
    concurrent=1,
    resamples=100,
    largest_error=10,
)


def write_world(lake: Lake) -> None:
    """Everybody clicks within the first of two days; on the second one user does, so that there is one."""
    draws, rows = np.random.default_rng(0), []
    for user in range(USERS):
        walk = draws.integers(RING) + np.cumsum(draws.integers(1, 4, STEPS))
        rows += [
            (f"u{user}", f"i{item % RING}", 60 * step + user, "click", None, None, None, step)
            for step, item in enumerate(walk)
        ]
    put(lake, events(rows), 0)
    put(lake, events([("u0", "i0", 90_000, "click", None, None, None, 0)], 1), 1)
    update(lake)
    items = {"item_id": [f"i{item}" for item in range(RING)], "day": [FIRST] * RING}
    rest = {name: [None] * RING for name in items_schema("string") if name not in items}
    lake.overwrite(ITEMS_TABLE, pl.DataFrame(items | rest, schema_overrides=items_schema("string")))


def planned(root: Path, batch_size: int = 16, **settings: Any) -> Sweep:
    """What a sweep over such a world would train, in a lake at `root`."""
    lake = Lake(str(root))
    write_world(lake)
    optimisation = TRAINING["optimisation"] | {"batch_size": batch_size}
    training = read_section(TrainingSettings, TRAINING | {"optimisation": optimisation})
    evaluation = read_section(EvaluationSettings, EVALUATION)
    record = make_training_set(lake, TrainingSetSettings.of(training, evaluation))
    swept = ScalingSettings.model_validate(SCALING.model_dump() | settings)
    return plan_of(lake, "shop", record, training, evaluation, swept, code="")


def materialize(root: Path) -> dict[str, Any]:
    """What the asset says."""
    training, evaluation = read_section(TrainingSettings, TRAINING), read_section(EvaluationSettings, EVALUATION)
    result = dg.materialize(
        [training_set, scaling_law],
        resources={
            "lake": Storage(root=str(root), profile="shop"),
            "training": training,
            "evaluation": evaluation,
            "scaling": SCALING,
            "set_settings": TrainingSetSettings.of(training, evaluation),
            "ray": RayCluster(mode="inline"),
        },
    )
    (made,) = result.asset_materializations_for_node("scaling_law")
    (check,) = result.get_asset_check_evaluations()
    values = {name: entry.value for name, entry in made.metadata.items()}
    told = {name: value for name, value in values.items() if isinstance(value, str | int | float)}
    return {**told, "check": [check.check_name, check.passed, check.description]}


if __name__ == "__main__":
    logging.captureWarnings(True)
    print(json.dumps(materialize(Path(sys.argv[1]))), flush=True)
