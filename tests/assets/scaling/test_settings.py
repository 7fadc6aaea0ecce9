"""Which sweeps a profile may ask for."""

import pytest
from pydantic import ValidationError

from assets.scaling.settings import HEAD_DIM, LAYERS, ScalingSettings
from assets.training.tune import MODEL, with_values
from models.config.model import ModelConfig

SIZES = [{HEAD_DIM: width} for width in (2, 4, 8, 16, 32)]
WRONG = (float("nan"), float("inf"), -1, 0, 1.5)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"sizes": SIZES[:3]}, "at least 5 items"),
        ({"sizes": [*SIZES, {"model.width": 128}]}, "model.width is not below model.backbone"),
        ({"sizes": [*SIZES, SIZES[0]]}, "1 of the 6 sizes are there twice"),
        ({"fractions": (0.25, 0.5)}, "and 1, the whole training set, among them"),
        ({"fractions": (0.5, 0.5, 1.0)}, "name each once"),
        ({"fractions": (0, 1.0)}, "greater than or equal to 0.01"),
        ({"fractions": (1e-6, 1.0)}, "greater than or equal to 0.01"),
        *(
            ({"sizes": [*SIZES, {HEAD_DIM: wrong}]}, "integer|finite number|greater than or equal to 1")
            for wrong in WRONG
        ),
        *(
            ({"sizes": [*SIZES, {LAYERS: wrong}]}, "integer|finite number|greater than or equal to 1")
            for wrong in WRONG
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_with_the_profile(given: dict, told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        ScalingSettings.model_validate(given)


def test_the_sizes_that_come_with_it_are_backbones_of_the_model_that_does() -> None:
    backbones = [with_values(ModelConfig(), MODEL, size).backbone for size in ScalingSettings().sizes]
    made = [(backbone.layers, getattr(backbone, "head_dim", 0)) for backbone in backbones]
    assert made == [(size[LAYERS], size[HEAD_DIM]) for size in ScalingSettings().sizes]
