"""The ranking model and how it is trained: the profile's `ranking:` section."""

from pydantic import Field, model_validator

from models.config import StuConfig, TrainingConfig
from models.ranking.config import RankerConfig
from models.strict import Strict


class RankingSettings(Strict):
    """What a ranker learns to tell of what is shown."""

    exposure: str = Field(default="impression", description="The action that says that an item was shown.")
    model: RankerConfig = Field(
        default=RankerConfig(
            width=64, max_length=64, actions=("click", "like"), backbone=StuConfig(layers=2, heads=2, head_dim=32)
        ),
        description="Shape of the model; its actions are what it tells of an item that is shown.",
    )
    use_content: bool = Field(default=True, description="Whether items carry their content embedding.")
    optimisation: TrainingConfig = Field(
        default=TrainingConfig(epochs=2, batch_size=32, schedule="cosine"), description="How the model is trained."
    )
    validation_users: int = Field(default=200, ge=1, description="Users of the learning curve's normalised entropy.")

    @model_validator(mode="after")
    def _exposure_is_no_answer(self) -> "RankingSettings":
        if self.exposure in self.model.actions:
            raise ValueError(
                f"exposure {self.exposure!r} is among model.actions: all that is judged was shown, leave it out"
            )
        return self
