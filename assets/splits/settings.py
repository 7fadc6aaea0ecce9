"""What is held out of training and how a model is evaluated on it: the profile's `evaluation:` section.

It lies with the split, which training and evaluation both read.
"""

from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated, Any
from typing import Protocol as Structure

from pydantic import Field, field_validator, model_validator

from models.auto import FROM_DATA, FollowsData, part_of
from models.evaluation.metrics import metric_names
from models.evaluation.report import Protocol
from models.strict import Strict

FORMER_KEYS = {
    "headline": "is called primary_protocol now: rename the key",
    "popularity_half_life_days": "is that of `training`, which counts everywhere: remove the key here",
    "item_knn": "stands in `training.simple_models` now: move the key there",
}


class SplitSettings(FollowsData):
    """What is held out of training: that part of the section on which a training set depends."""

    window_days: Annotated[int, FROM_DATA] = Field(
        default=1,
        ge=0,
        description="Days after the cutoff whose positives are the targets; 0: none, the time split asks nobody.",
    )
    cutoff: date | None = Field(
        default=None,
        description="Day (UTC) at whose start training data ends; null: the last `window_days` days are held out.",
    )
    seed: int = Field(default=0, description="Seed of the bootstrap and of every sample of users.")
    max_users: int = Field(default=10_000, ge=1, description="Users evaluated at most by the time split.")
    leave_one_out_users: Annotated[int, FROM_DATA] = Field(
        default=1_000, ge=0, description="Users at most of whom what they did last is held out of training; 0: none."
    )
    repeats: Annotated[bool, FROM_DATA] = Field(
        default=False,
        description="Whether what a user has chosen is asked for and recommended again: bread and songs rather than "
        "films. It holds for training, evaluation and, where a request does not say, the endpoint.",
    )
    hold_out_ties: bool = Field(
        default=False,
        description="Whether the last positive alone is held out, though others happened at the same time. Order of "
        "arrival decides then, as in published protocols, and equal times stand on both sides of the question.",
    )

    @classmethod
    def part_of(cls, settings: "SplitSettings") -> "SplitSettings":
        """That part alone of the whole section."""
        return part_of(settings, cls)

    @property
    def window(self) -> timedelta:
        return timedelta(days=self.window_days)

    def cutoff_time(self, last_day: date) -> datetime:
        """The first instant (UTC) that training does not see, given the last day that holds data."""
        day = self.cutoff or last_day + timedelta(days=1) - self.window
        return datetime.combine(day, time(), UTC)


class Positives(Structure):
    """Settings that say which actions make an interaction a positive."""

    @property
    def positive_actions(self) -> tuple[str, ...]: ...


class CutoffSettings(Strict):
    """All that a profile says of where training data end; the data say the rest."""

    positive_actions: tuple[str, ...]
    split: SplitSettings

    @classmethod
    def of(cls, training: Positives, evaluation: "EvaluationSettings") -> "CutoffSettings":
        """Of both sections, what counts here."""
        return cls(positive_actions=training.positive_actions, split=SplitSettings.part_of(evaluation))


class EvaluationSettings(SplitSettings):
    """The held-out window and users, and the metrics."""

    primary_protocol: Annotated[Protocol, FROM_DATA] = Field(
        default="time", description="The protocol whose numbers decide a release: time or leave_one_out."
    )
    metric: str = Field(default="ndcg@10", description="The metric of checks and plots, such as ndcg@10, or mrr.")
    ks: tuple[int, ...] = Field(default=(10, 50), description="List lengths K of the metrics, ascending.")
    resamples: int = Field(default=1000, ge=100, description="Bootstrap resamples of the users.")
    short_history: int = Field(default=10, ge=1, description="Longest history that counts as short.")
    batch_users: int = Field(default=256, ge=1, description="Users scored at once.")

    @model_validator(mode="before")
    @classmethod
    def _no_key_by_its_former_name(cls, values: Any) -> Any:
        for former, advice in FORMER_KEYS.items():
            if isinstance(values, dict) and former in values:
                raise ValueError(f"{former} {advice}")
        return values

    @field_validator("ks")
    @classmethod
    def _ascending(cls, ks: tuple[int, ...]) -> tuple[int, ...]:
        if not ks or ks[0] < 1 or list(ks) != sorted(set(ks)):
            raise ValueError(f"ks must be positive and ascending without repeats, such as [10, 50]; got {list(ks)}")
        return ks

    @model_validator(mode="after")
    def _metric_is_measured(self) -> "EvaluationSettings":
        measured = metric_names(self.ks)
        if self.metric not in measured:
            raise ValueError(f"metric '{self.metric}' is not measured with ks {list(self.ks)}; choose of {measured}")
        return self
