"""What is published of users and items: the profile's `vectors:` section."""

from pydantic import Field

from models.strict import Strict


class VectorsSettings(Strict):
    """Vectors of all users and items, which a run of the line publishes for whoever else can use them."""

    publish: bool = Field(
        default=True, description="Whether they are made. It costs as much as to answer every user once."
    )
    keep_batches: int = Field(default=7, ge=1, description="Of each space the newest batches stay in the tables.")
    least_cosine: float = Field(
        default=0.8,
        ge=-1,
        le=1,
        description="Mean cosine of the items' vectors to those of the version before, below which a check warns.",
    )
