"""ARGUS and how it is trained: the profile's `argus:` section."""

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from models.argus.config import ArgusConfig, FactorConfig
from models.argus.two_towers_config import GradeConfig
from models.auto import FollowsData
from models.config.training import TrainingConfig
from models.strict import Strict

CLIP_NORM = 1.0
"""Greatest norm of a gradient where a profile names none, as published."""


def clipped(optimisation: Any) -> Any:
    """What a profile says of training, with the published norm where it says nothing of it."""
    return {"clip_norm": CLIP_NORM, **optimisation} if isinstance(optimisation, dict) else optimisation


class TowersSettings(Strict):
    """The two towers that are fine-tuned of ARGUS, for what a nightly batch of vectors has to order."""

    scale: tuple[GradeConfig, ...] = Field(
        default=(),
        description="What orders impressions, steps of `factors`; none: each factor but those of categories is better "
        "than the ones before, from its second class on.",
    )
    delay_hours: float = Field(
        default=24.0,
        ge=0,
        allow_inf_nan=False,
        description="How old a user's state is at least when an item is shown: 24 where vectors are made once a day.",
    )
    max_length: int | None = Field(
        default=None, ge=1, description="Interactions that a state reads at most; null: as many as the backbone."
    )
    pretrained: bool = Field(
        default=True, description="Whether they start from the weights of the run's backbone, or from none."
    )
    production: str = Field(
        default="",
        description="A column (quality.columns: a number, known at the request) that holds the score by which the "
        "ranker in production ordered what was shown, over which the uplift is told; empty: there is none.",
    )
    optimisation: TrainingConfig = Field(
        default=TrainingConfig(clip_norm=CLIP_NORM),
        description="How they are trained; `impressions` says what they learn.",
    )

    _clipped = field_validator("optimisation", mode="before")(clipped)


class ArgusSettings(FollowsData):
    """What ARGUS learns of everything that happened. It reads the training set of the `ranking` section."""

    learn: Literal["both", "next_item", "feedback"] = Field(
        default="both", description="What is told: the next item, what comes of it, or both."
    )
    factors: tuple[FactorConfig, ...] = Field(
        default=(), description="The independent parts of the feedback; none: each action of `ranking.model.actions`."
    )
    model: ArgusConfig = Field(
        default=ArgusConfig(max_length=128),
        description="Shape of the model; its actions, columns and factors come from the data and from `factors`.",
    )
    optimisation: TrainingConfig = Field(
        default=TrainingConfig(clip_norm=CLIP_NORM), description="How the model is trained."
    )
    towers: TowersSettings = Field(default=TowersSettings(), description="The two towers that are made of it.")
    release: bool = Field(
        default=False,
        description="Whether the line trains both, and either may become champion as any other version may.",
    )

    _clipped = field_validator("optimisation", mode="before")(clipped)

    @model_validator(mode="after")
    def _model_says_nothing_of_the_data(self) -> "ArgusSettings":
        for name in ("actions", "columns", "factors"):
            if getattr(self.model, name):
                raise ValueError(
                    f"model.{name} is not for a profile to say: it follows from the data and from `factors`"
                )
        return self

    def told(self, actions: Sequence[str]) -> tuple[FactorConfig, ...]:
        """The factors; without any of its own each of `actions` is one."""
        return () if self.learn == "next_item" else self.feedback(actions)

    def feedback(self, actions: Sequence[str]) -> tuple[FactorConfig, ...]:
        """The factors, whether or not the backbone tells them."""
        return self.factors or tuple(FactorConfig(name=action, action=action) for action in actions)
