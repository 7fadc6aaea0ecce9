"""Which sweeps are refused before anything is trained, and what a table of trials says of how they were trained."""

from pathlib import Path

import polars as pl
import pytest

from assets.scaling.settings import HEAD_DIM
from assets.scaling.sweep import Swept, sweep
from tests.assets.scaling.worlds import SCALING, planned

HEADS = "model.backbone.heads"


def swept(losses: list[float]) -> Swept:
    whole = pl.DataFrame({"fraction": 1.0, "parameters": [10, 100, 1_000, 10_000], "loss": losses})
    return Swept(pl.concat([whole, whole.with_columns(fraction=0.5, loss=9.0)]), {})


def test_a_larger_size_that_learned_less_is_named() -> None:
    told = swept([4.1, 3.9, 3.8, 4.0]).undertrained
    assert told
    assert told.startswith(
        "The backbone of 10,000 parameters ends with a training loss of 4.000, a smaller one with 3.800"
    )
    assert swept([4.1, 3.9, 3.8, 3.7]).undertrained is None
    assert swept([4.1, 3.9, 3.8, 3.805]).undertrained is None, "chance"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"sizes": [*SCALING.sizes, {HEADS: 2, HEAD_DIM: 4}]}, "both have 838 parameters: leave one of them out"),
        ({"sizes": [{HEAD_DIM: width} for width in (8, 9, 10, 11, 12)]}, "is 1.38 times the smallest"),
        (
            {"sizes": [*SCALING.sizes, {"model.backbone.expansion": 2}]},
            "model.backbone.expansion is not a number among",
        ),
        ({"fractions": (1.0, 0.05)}, "the share 0.05 of the users is 0.5 of a batch"),
    ],
)
def test_a_sweep_that_could_tell_nothing_is_refused_before_it_starts(tmp_path: Path, settings: dict, told: str) -> None:
    plan = planned(tmp_path, **settings)
    with pytest.raises(ValueError, match=told):
        sweep(plan, lambda line: None)
    assert not list(tmp_path.rglob("trials"))
