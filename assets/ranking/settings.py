"""The ranking model and how it is trained: the profile's `ranking:` section."""

from pydantic import Field, model_validator

from models.config.model import StuConfig
from models.config.training import TrainingConfig
from models.ranking.config import RankerConfig
from models.strict import Strict


class OffPolicySettings(Strict):
    """What the ranker would have earned, estimated from a log whose propensities are known."""

    propensity: str = Field(
        min_length=1,
        description="The column (quality.columns: a number, known at the request) that holds the probability with "
        "which what was shown was chosen among the items of its surface.",
    )
    temperature: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="Of the policy `softmax`, which chooses among the items of a surface by the logits over it.",
    )
    clip: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Cuts larger weights: less variance, and a bias that the report tells of; null: none.",
    )
    rows: int = Field(
        default=10_000, ge=1, description="About how much of what was shown counts at most, of users drawn at random."
    )


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
    off_policy: OffPolicySettings | None = Field(
        default=None, description="Off-policy estimates in the ranker's evaluation; null: the log has no propensities."
    )

    @model_validator(mode="after")
    def _exposure_is_no_answer(self) -> "RankingSettings":
        if self.exposure in self.model.actions:
            raise ValueError(
                f"exposure {self.exposure!r} is among model.actions: all that is judged was shown, leave it out"
            )
        return self
