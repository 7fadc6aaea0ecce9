"""The rules of data quality, which this folder checks: the profile's `quality:` section."""

import re
from datetime import UTC, datetime, timedelta

from pydantic import Field, field_validator, model_validator

from assets.validation.expectation import Severity
from models.declared import DeclaredColumn
from models.strict import Strict
from storage.schema import DEFAULT_ACTIONS, RESERVED_NAMES

NAME = re.compile("[a-z][a-z0-9_]*")
MOST_COLUMNS = 32


class ItemSettings(Strict):
    """What makes a row of the catalogue good."""

    max_image_bytes: int = Field(
        default=10_000_000, gt=0, description="Longer image bytes are dropped; the item itself stays."
    )
    max_gone_share: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Share of the listed items that may be missing from a whole catalogue; of one that lacks more, as "
        "one that was cut off does, nobody leaves.",
    )
    max_without_content_share: float = Field(
        default=0.1, ge=0, le=1, description="Share of items without title, description and image that warns."
    )


class DriftSettings(Strict):
    """How far a day of events may differ from the seven days before it without a warning."""

    min_days: int = Field(
        default=3, ge=1, le=7, description="Of those seven days so many must be known, else the day is not measured."
    )
    volume_ratio: tuple[float, float] = Field(
        default=(0.3, 3.0), description="Lowest and highest number of events, in means of the week."
    )
    user_ratio: tuple[float, float] = Field(
        default=(0.3, 3.0), description="Lowest and highest number of distinct users, in means of the week."
    )
    item_ratio: tuple[float, float] = Field(
        default=(0.3, 3.0), description="Lowest and highest number of distinct items, in means of the week."
    )
    max_gap_ratio: float = Field(
        default=3.0, gt=0, description="Longest stretch without events, in the week's longest (or hours, if shorter)."
    )
    max_action_mix_distance: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Jensen-Shannon distance (base 2) between the day's actions and the week's.",
    )
    max_duplicate_share: float = Field(
        default=0.02, ge=0, le=1, description="Share of a day's raw rows that repeat an event of that day."
    )
    max_unknown_item_share: float = Field(
        default=0.02, ge=0, le=1, description="Share of a day's raw rows whose item no catalogue day has named."
    )


class SkewSettings(Strict):
    """How far what the endpoint reads may differ from what the champion was trained on without a warning."""

    max_changed_share: float = Field(
        default=0.05, ge=0, le=1, description="Share of users whose history up to the cutoff changed since training."
    )
    max_history_length_distance: float = Field(
        default=0.3, ge=0, le=1, description="Jensen-Shannon distance of history lengths, in powers of two."
    )
    max_action_mix_distance: float = Field(
        default=0.2, ge=0, le=1, description="Jensen-Shannon distance of actions since the cutoff to those before."
    )
    max_unknown_item_share: float = Field(
        default=0.2, ge=0, le=1, description="Share of positive interactions since the cutoff with items without a row."
    )


class QualitySettings(Strict):
    """The rules of data quality: what makes a row good and a day of rows acceptable."""

    actions: tuple[str, ...] = Field(
        default=DEFAULT_ACTIONS, min_length=1, max_length=31, description="The action vocabulary; others are rejected."
    )
    columns: dict[str, DeclaredColumn] = Field(
        default_factory=dict,
        max_length=MOST_COLUMNS,
        description="Columns of events beside the contract's, by name: when each is known, and its type.",
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
    max_without_time_share: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="A larger share of a run's rows without a time blocks; fewer are put aside and spoil no day.",
    )
    min_rows_judged: int = Field(
        default=100, ge=1, description="Days with fewer raw rows are not judged by their own rejected share."
    )
    request_gap: timedelta = Field(
        default=timedelta(minutes=30),
        ge=timedelta(0),
        description="Actions of one request on one item that lie further apart are two interactions.",
    )
    max_reused_request_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="A larger share of a user's request ids that go on after a longer pause warns that they are none.",
    )
    value_range: tuple[float, float] = Field(
        default=(0.0, 1e6), description="Lowest and highest `value` of an event that is not worth a warning."
    )
    severity: dict[str, Severity] = Field(
        default_factory=dict, description="Overrides by '<table>.<check name>': block or warn."
    )
    drift: DriftSettings = Field(
        default_factory=DriftSettings, description="How far a day of events may differ from the week before it."
    )
    skew: SkewSettings = Field(default_factory=SkewSettings, description="How far serving may differ from training.")
    items: ItemSettings = Field(default_factory=ItemSettings, description="What makes a row of the catalogue good.")

    @field_validator("earliest")
    @classmethod
    def _in_utc(cls, moment: datetime) -> datetime:
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)

    @field_validator("columns")
    @classmethod
    def _names_are_free(cls, columns: dict[str, DeclaredColumn]) -> dict[str, DeclaredColumn]:
        for name in columns:
            if not NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a column name: write small letters, digits and _, a letter first")
            if name in RESERVED_NAMES:
                raise ValueError(f"{name!r} has a meaning of its own on the platform: give the column another name")
        return columns

    @model_validator(mode="after")
    def _actions_are_distinct(self) -> "QualitySettings":
        if len(set(self.actions)) < len(self.actions):
            raise ValueError("quality.actions names an action twice: an action's position is its bit, list each once")
        return self
