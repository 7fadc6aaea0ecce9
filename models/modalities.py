"""What the content vectors of items are made of."""

from collections.abc import Mapping

from pydantic import Field

from models.strict import Strict


class Modality(Strict):
    """One kind of content, such as text; its vectors stand in a part of the content vector of their own."""

    width: int = Field(ge=1, description="Width of that part.")
    encoder: str | None = Field(
        default=None, description="What made its vectors: those of two encoders cannot be compared. null: unknown."
    )


Modalities = Mapping[str, Modality]
"""By name, in the order in which they stand side by side; empty where that is not known."""

NO_MODALITIES: Modalities = {}
