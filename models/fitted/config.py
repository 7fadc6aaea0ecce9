"""What the families that are fitted at once are made with, frozen into their artifacts."""

from typing import Annotated, Literal

from pydantic import Field

from models.auto import FROM_DATA
from models.config.model import FamilyConfig, ModelConfig

LONGEST = 500
"""Most recent interactions that count, where a family reads any; older ones weigh next to nothing."""


class PopularityConfig(FamilyConfig):
    """What was chosen lately, the same to everybody."""

    family: Literal["popularity"] = "popularity"
    max_length: Literal[0] = Field(default=0, description="It reads nothing of a user.")
    half_life_days: float = Field(default=7.0, gt=0, description="Age at which an interaction counts half.")


class ItemKnnConfig(FamilyConfig):
    """Items that the same users chose as the items of the history (Sarwar et al., WWW 2001)."""

    family: Literal["item_knn"] = "item_knn"
    max_length: int = Field(default=LONGEST, ge=1, description="Most recent interactions of a history that count.")
    repeats: bool = Field(
        default=False, description="Whether an item is a neighbour of itself, so that what was chosen comes again."
    )
    neighbours: int = Field(default=100, ge=1, description="Most similar items that are kept for each item.")
    shrinkage: Annotated[float, FROM_DATA] = Field(
        default=20.0, ge=0, description="Pseudo-count that damps similarities of rare pairs."
    )
    half_life_items: Annotated[float, FROM_DATA] = Field(
        default=5.0, gt=0, description="Number of history items after which an item's weight has halved."
    )


class IalsConfig(FamilyConfig):
    """Matrix factorisation of implicit feedback by alternating least squares (Hu, Koren and Volinsky, ICDM 2008)."""

    family: Literal["ials"] = "ials"
    max_length: int = Field(default=LONGEST, ge=1, description="Most recent interactions of a history that count.")
    factors: int = Field(default=64, ge=1, description="Width of the vectors of users and items.")
    regularisation: Annotated[float, FROM_DATA] = Field(
        default=10.0, gt=0, description="Weight of the squared norms of the vectors."
    )
    alpha: Annotated[float, FROM_DATA] = Field(
        default=20.0, gt=0, description="Weight of an item that was chosen; one that was not has 1."
    )
    iterations: int = Field(default=15, ge=1, description="How often items, then users are solved for.")
    seed: int = Field(default=0, ge=0, description="Seed of the vectors before the first of them.")


class BlendConfig(FamilyConfig):
    """A trained recommender and item-kNN, whose probabilities are mixed."""

    family: Literal["blend"] = "blend"
    max_length: int = Field(default=LONGEST, ge=1, description="The longer of what its two parts read.")
    recommender: ModelConfig
    item_knn: ItemKnnConfig
    weight: float = Field(ge=0, lt=1, description="Weight of item-kNN; the recommender has the rest.")
    temperature: float = Field(default=1.0, gt=0, description="Scores of the recommender over this are logits.")
