"""The sweep over sizes: the profile's `scaling:` section."""

from typing import Annotated

from pydantic import Field, field_validator

from models.scaling.laws import LEAST_SIZES
from models.strict import Strict

LAYERS, HEAD_DIM = "model.backbone.layers", "model.backbone.head_dim"


Size = dict[str, Annotated[int, Field(ge=1)]]


def _sizes(*layers_and_widths: tuple[int, int]) -> tuple[Size, ...]:
    return tuple({LAYERS: layers, HEAD_DIM: width} for layers, width in layers_and_widths)


class ScalingSettings(Strict):
    """Backbones of several sizes that are trained on shares of one training set, and asked the same."""

    sizes: tuple[Size, ...] = Field(
        default=_sizes((1, 4), (1, 12), (2, 16), (2, 48), (4, 64), (8, 96)),
        min_length=LEAST_SIZES,
        description="Backbones, each as paths within `training` to whole numbers; what a size does not name is that "
        "of `training.model`. Only what is below model.backbone may differ. The largest has at least 10 times the "
        "parameters of the smallest.",
    )
    fractions: tuple[Annotated[float, Field(ge=0.01, le=1)], ...] = Field(
        default=(0.5, 1.0),
        description="Shares of the training set's users, 1 among them; smaller ones are parts of larger ones, and are "
        "trained for as many steps. Each leaves a batch of users at least.",
    )
    seeds: int = Field(default=1, ge=1, description="How often each is trained; from 2 on intervals hold that noise.")
    epochs: int | None = Field(default=None, ge=1, description="Epochs over all users; null: as `training` has it.")
    concurrent: int = Field(default=2, ge=1, description="Trials that run at once, one CPU each.")
    resamples: int = Field(default=300, ge=100, description="Resamples of the users, for the intervals.")
    largest_error: float = Field(
        default=0.05,
        gt=0,
        description="Share of its MRR by which the largest size may be foretold wrongly before a check warns.",
    )

    @field_validator("sizes")
    @classmethod
    def _only_the_backbone_differs(cls, sizes: tuple[Size, ...]) -> tuple[Size, ...]:
        for size in sizes:
            for path in size:
                if not path.startswith("model.backbone."):
                    raise ValueError(f"{path} is not below model.backbone: a law is one of the backbone's size alone")
        different = {frozenset(size.items()) for size in sizes}
        if len(different) < len(sizes):
            raise ValueError(f"{len(sizes) - len(different)} of the {len(sizes)} sizes are there twice: name each once")
        return sizes

    @field_validator("fractions")
    @classmethod
    def _whole_and_each_once(cls, fractions: tuple[float, ...]) -> tuple[float, ...]:
        if 1.0 not in fractions or len(set(fractions)) < len(fractions):
            raise ValueError(f"fractions are {fractions}: name each once, and 1, the whole training set, among them")
        return fractions
