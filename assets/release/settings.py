"""When a version may become champion: the profile's `release:` section."""

from typing import Any

from pydantic import Field, model_validator

from models.strict import Strict


class ReleaseSettings(Strict):
    """What decides who becomes champion (`assets.release.gate`)."""

    metric: str = Field(default="ndcg@10", description="Metric that decides.")
    min_users: int = Field(
        default=100,
        ge=1,
        description="Users that a protocol must have cases of for its numbers to count. With fewer, chance decides.",
    )
    margin: float = Field(
        default=0.0,
        description="Absolute margin by which the metric of a newer version must exceed that of a champion of its own "
        "family; a negative one lets a slightly worse version through, for the sake of fresher data.",
    )

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_gone(cls, values: Any) -> Any:
        if isinstance(values, dict) and "must_beat_popularity" in values:
            raise ValueError(
                "must_beat_popularity is no setting any more: popularity takes part in every release, and what is "
                "clearly worse is not released; delete the key"
            )
        return values
