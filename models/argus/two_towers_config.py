"""What the two towers that are made of ARGUS are."""

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import Field, model_validator

from models.argus.config import ArgusConfig, FactorConfig
from models.strict import Strict


class GradeConfig(Strict):
    """A step of the scale by which feedback is ordered."""

    factor: str = Field(min_length=1, description="The factor of the feedback that tells it.")
    least: int = Field(default=1, ge=1, description="The class of the factor from which on it holds.")
    grade: int = Field(description="How good that is; an impression of which no step holds has grade 0.")


class TwoTowersConfig(ArgusConfig):
    """A user vector, made of a causal state of ARGUS, and an item vector; their dot product orders what is shown."""

    family: Literal["argus_towers"] = "argus_towers"  # type: ignore[assignment]
    exposure: str = Field(default="", description="The action that says that an item was shown; empty: all were.")
    scale: tuple[GradeConfig, ...] = Field(
        default=(), description="The steps of the feedback; of those that hold, the last one gives the grade."
    )
    delay_hours: float = Field(
        default=24.0,
        ge=0,
        allow_inf_nan=False,
        description="How old a user's state is at least when an item is shown. 24: vectors are made once a day.",
    )

    @model_validator(mode="after")
    def _orders_something(self) -> Self:
        classes = {factor.name: self.classes(factor) for factor in self.factors}
        if not self.scale:
            raise ValueError("the scale has no steps: name factors of the feedback, each with its grade")
        for step in self.scale:
            if step.factor not in classes:
                raise ValueError(f"the scale names the factor {step.factor!r}, not one of {tuple(classes)}")
            if step.least >= classes[step.factor]:
                raise ValueError(
                    f"the scale asks for class {step.least} of {step.factor}, whose last is {classes[step.factor] - 1}"
                )
        if not any(step.grade for step in self.scale):
            raise ValueError("every step of the scale has grade 0, as has an impression of which no step holds")
        if self.exposure and self.exposure not in self.actions:
            raise ValueError(f"exposure {self.exposure!r} is not one of the actions {self.actions}")
        return self

    @property
    def grades(self) -> list[int]:
        """All that there can be, ascending."""
        return sorted({0, *(step.grade for step in self.scale)})


def default_scale(factors: Sequence[FactorConfig]) -> tuple[GradeConfig, ...]:
    """Each of the `factors` is better than those before it, from its second class on."""
    return tuple(GradeConfig(factor=factor.name, grade=place) for place, factor in enumerate(factors, start=1))
