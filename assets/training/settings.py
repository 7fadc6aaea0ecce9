"""The model and how it is trained: the profile's `training:` section."""

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from models.auto import FROM_DATA, FollowsData
from models.config.model import ModelConfig, RecommenderConfig
from models.config.training import TrainingConfig
from models.families.registry import any_config
from models.fitted.config import IalsConfig, ItemKnnConfig
from models.merging import Merging
from models.strict import Strict

if TYPE_CHECKING:
    RetrievalConfig = RecommenderConfig
else:
    RetrievalConfig = any_config("retrieval")


class SimpleModelsSettings(Strict):
    """The floor under quality; popularity has its half-life from `popularity_half_life_days`."""

    item_knn: ItemKnnConfig = Field(default=ItemKnnConfig(), description="What the same users chose.")
    ials: IalsConfig = Field(default=IalsConfig(), description="A factorisation of who chose what.")


class BlendSettings(Strict):
    """The blend of the model and item-kNN."""

    weight: Annotated[float, FROM_DATA] = Field(
        default=0.0, ge=0, lt=1, description="Weight of item-kNN; the model has the rest. 0: nothing is blended."
    )


class SearchSettings(Strict):
    """The hyper-parameter search of the `tuned_hyperparameters` asset."""

    trials: int = Field(default=8, ge=1, description="Configurations that are tried.")
    concurrent: int = Field(default=2, ge=1, description="Trials that run at once, one CPU each.")
    epochs: int = Field(default=8, ge=1, description="Longest a trial may train.")
    grace_epochs: int = Field(default=2, ge=1, description="Epochs before ASHA may stop a trial.")
    space: dict[str, tuple[float, float]] = Field(
        default={"optimisation.learning_rate": (3e-4, 1e-2), "optimisation.weight_decay": (0.01, 1.0)},
        min_length=1,
        description="What is searched, as a path within `training`, to its bounds, searched log-uniformly; whole "
        "numbers are rounded.",
    )

    @field_validator("space")
    @classmethod
    def _bounds_ascend(cls, space: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
        for path, (low, high) in space.items():
            if not path.startswith(("optimisation.", "model.")):
                raise ValueError(
                    f"{path} is not a path below optimisation or model, such as optimisation.learning_rate"
                )
            if not 0 < low < high:
                raise ValueError(f"the bounds of {path} are {low:g} and {high:g}: both above 0, the lower one first")
        return space


class TrainingDataSettings(FollowsData):
    """What a model learns from: that part of the section on which a training set depends."""

    positive_actions: tuple[str, ...] = Field(
        min_length=1, description="Actions that make an interaction part of a history and a target."
    )
    use_content: bool = Field(default=True, description="Whether items carry their content embedding.")
    cold_start_hours: Annotated[float, FROM_DATA] = Field(
        default=24.0,
        ge=0,
        description="Time between a version's cutoff and what it serves: training hides the ID of an item that has "
        "content for as long after its first interaction, so that the model learns what an item is worth that it has "
        "no ID for.",
    )
    merge_adjacent: Merging | None = Field(
        default=None,
        description="Makes one step of adjacent interactions: item, with the same item; kind, with the same item by "
        "the same actions; null, of none. In training, evaluation and serving alike.",
    )
    popularity_half_life_days: Annotated[float, FROM_DATA] = Field(
        default=7.0,
        gt=0,
        description="Age at which an interaction counts half in popularity: in the family's, and in what the endpoint "
        "gives whom it knows nothing of.",
    )
    validation_users: Annotated[int, FROM_DATA] = Field(
        default=500, ge=1, description="Users of the learning curve's NDCG@10."
    )


class TrainingSettings(TrainingDataSettings):
    """What is trained, on what, and by how many workers."""

    model: RetrievalConfig = Field(default=ModelConfig(), description="Which model, and its shape.")
    id_masking: Annotated[float, FROM_DATA] = Field(
        default=0.1, ge=0, lt=1, description="Share of a history's IDs hidden in training."
    )
    hide_new: Annotated[bool, FROM_DATA] = Field(
        default=True,
        description="Whether a history's IDs are hidden, too, where the item was new when it was chosen.",
    )
    item_gate: Literal["none", "age"] = Field(
        default="none",
        description="age: an item's ID and each kind of its content count by a learned factor of how long the item has "
        "been there.",
    )
    new_item_optimism: float = Field(
        default=2.0,
        ge=0,
        description="How often items without an ID are expected to be chosen: as often as on an average night, and so "
        "many standard deviations between nights more. A greater number shows more of what is new; 0 gives it no "
        "benefit of the doubt.",
    )
    optimisation: TrainingConfig = Field(default=TrainingConfig(), description="How the model is trained.")
    train_ablation: bool = Field(
        default=True, description="Also train an ablation without content, for the evaluation."
    )
    start_from: Literal["champion"] | None = Field(
        default=None,
        description="champion: training goes on from the weights of the champion, to which new items are appended. "
        "null, or where there is none yet or its model is another: from scratch, as every search.",
    )
    keep_optimizer: bool = Field(
        default=True,
        description="Keep the optimiser's state with a version, twice the size of its weights, so that training from "
        "it goes on as if it had not stopped; without it the optimiser begins anew. The endpoint does not read it.",
    )
    use_tuned: bool = Field(default=False, description="Take what the last search found.")
    workers: int = Field(default=2, ge=1, description="Ray Train workers.")
    use_gpu: bool = Field(default=False, description="One GPU per worker, NCCL in place of gloo.")
    threads_per_worker: int = Field(default=1, ge=1, description="CPU threads of a worker.")
    max_failures: int = Field(default=2, ge=0, description="Lost workers that training survives.")
    simple_models: SimpleModelsSettings = Field(
        default=SimpleModelsSettings(),
        description="The floor under quality: fitted beside the model, and released where they are better.",
    )
    blend: BlendSettings = Field(
        default=BlendSettings(), description="The model mixed with item-kNN, a version of its own."
    )
    search: SearchSettings = Field(default=SearchSettings(), description="The hyper-parameter search.")

    @model_validator(mode="after")
    def _a_share_is_drawn_once_a_step(self) -> "TrainingSettings":
        """A share of many items for every position by itself would fill the memory; kept versions may have had it."""
        loss = self.optimisation.loss
        # Where a profile says nothing of `shared`, the data decide, and it is true.
        by_itself = loss.positions_per_draw > 1 or (not loss.shared and "shared" in loss.model_fields_set)
        if loss.negatives_share and by_itself:
            raise ValueError(
                "optimisation.loss.negatives_share is drawn once for all positions of a step, for of many items no "
                "position can have a share by itself: set shared to true and leave positions_per_draw at 1, or set "
                "negatives in its place"
            )
        return self
