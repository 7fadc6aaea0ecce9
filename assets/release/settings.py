"""When a version may become champion: the profile's `release:` section."""

from pydantic import Field

from models.strict import Strict


class ReleaseSettings(Strict):
    """What a version must show to become champion."""

    metric: str = Field(default="ndcg@10", description="Metric that decides, on the primary protocol.")
    margin: float = Field(
        default=0.0,
        description="Absolute margin by which the metric must exceed that of the opponent; a negative one lets a "
        "slightly worse version through, for the sake of fresher data.",
    )
    must_beat_popularity: bool = Field(
        default=True, description="Whether later versions, too, must beat popularity; the first one always must."
    )
