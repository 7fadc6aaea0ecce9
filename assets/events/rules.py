"""What makes a row good and a day of rows acceptable: the profile's `quality:` section."""

from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assets.quality.expectation import Severity
from assets.schema import DEFAULT_ACTIONS


class ItemRules(BaseModel):
    """What makes a row of the catalogue good."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_image_bytes: int = Field(
        default=10_000_000, gt=0, description="Longer image bytes are dropped; the item itself stays."
    )
    max_without_content_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of items without title, description and image that warns."
    )


class QualitySettings(BaseModel):
    """What makes a row good and a day of rows acceptable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    actions: tuple[str, ...] = Field(
        default=DEFAULT_ACTIONS, min_length=1, max_length=31, description="The action vocabulary; others are rejected."
    )
    earliest: datetime = Field(
        default=datetime(1995, 1, 1, tzinfo=UTC),
        description="Events before this moment are rejected; without a zone it is UTC.",
    )
    future_tolerance: timedelta = Field(
        default=timedelta(minutes=10),
        ge=timedelta(0),
        description="How far an event may lie behind the end of its partition day, and behind now.",
    )
    reject_unknown_items: bool = Field(
        default=True, description="Whether events of items that no catalogue day has named yet are rejected."
    )
    max_rejected_share: float = Field(
        default=0.05, ge=0, le=1, description="A larger share of rejected rows, in a day or in the run, blocks."
    )
    min_rows_judged: int = Field(
        default=100, ge=1, description="Days with fewer raw rows are not judged by their own rejected share."
    )
    value_range: tuple[float, float] = Field(
        default=(0.0, 1e6), description="Lowest and highest `value` of an event that is not worth a warning."
    )
    severity: dict[str, Severity] = Field(
        default_factory=dict, description="Overrides by '<table>.<check name>': block or warn."
    )
    gx_max_rows: int = Field(
        default=200_000,
        ge=1,
        description="Rows given to Great Expectations; above it a fixed sample, while exact counts cover all rows.",
    )
    items: ItemRules = Field(default_factory=ItemRules, description="What makes a row of the catalogue good.")

    @field_validator("earliest")
    @classmethod
    def _in_utc(cls, moment: datetime) -> datetime:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    @model_validator(mode="after")
    def _actions_are_distinct(self) -> "QualitySettings":
        if len(set(self.actions)) < len(self.actions):
            raise ValueError("quality.actions names an action twice: an action's position is its bit, list each once")
        return self
