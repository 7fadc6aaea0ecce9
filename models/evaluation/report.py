"""The numbers of an evaluation, as they are written to `evaluation.json` and read back by the release gate."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Protocol = Literal["time", "leave_one_out"]

OVERALL = "overall"
COLD = "cold"
SHORT_HISTORY = "short_history"


class Measure(BaseModel):
    """A mean over users with its 95 % bootstrap interval."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    mean: float = Field(description="Mean over the users.")
    low: float | None = Field(default=None, description="Lower bound of the 95 % interval; null where none is made.")
    high: float | None = Field(default=None, description="Upper bound of the 95 % interval.")
    n: int = Field(ge=1, description="Number of users.")

    def clearly_above(self, other: Measure) -> bool:
        """Whether this interval lies wholly above the other one."""
        return self.low is not None and other.high is not None and self.low > other.high


Slices = dict[str, dict[str, Measure]]
"""Slice to metric to number; a slice without users is left out."""


class EvaluationReport(BaseModel):
    """One protocol: every scorer on the same cases."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    users: int = Field(ge=0, description="Number of cases, one a user.")
    targets: int = Field(ge=0, description="Number of targets of all users.")
    items: int = Field(ge=1, description="Size of the catalogue that was ranked.")
    candidate: str = Field(description="The scorer that the others are compared with.")
    metric: str = Field(description="The metric of `differences`, such as ndcg@10.")
    scorers: dict[str, Slices] = Field(description="Scorer to slice to metric to number.")
    differences: dict[str, dict[str, Measure]] = Field(
        description="Slice to other scorer to the paired difference candidate minus other."
    )
    seconds: dict[str, float] = Field(default_factory=dict, description="Seconds that each scorer took.")

    def measure(self, scorer: str, metric: str, slice_name: str = OVERALL) -> Measure | None:
        """The number, or None where this scorer, slice or metric was not evaluated."""
        return self.scorers.get(scorer, {}).get(slice_name, {}).get(metric)
