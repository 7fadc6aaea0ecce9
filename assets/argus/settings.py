"""ARGUS and how it is trained: the profile's `argus:` section."""

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from models.argus.config import ArgusConfig, FactorConfig
from models.config import TrainingConfig
from models.strict import Strict


class ArgusSettings(Strict):
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
        default=TrainingConfig(epochs=2, batch_size=64, schedule="cosine", warmup=0.05, clip_norm=1.0),
        description="How the model is trained.",
    )

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
        if self.learn == "next_item":
            return ()
        return self.factors or tuple(FactorConfig(name=action, action=action) for action in actions)
