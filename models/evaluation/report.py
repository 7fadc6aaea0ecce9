"""The numbers of an evaluation, as they are written to `evaluation.json` and read back by the release gate."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, ConfigDict, Field, model_validator

from models.strict import Strict

EVALUATION = "evaluation.json"

Protocol = Literal["time", "leave_one_out"]

OVERALL = "overall"
COLD = "cold"
SHORT_HISTORY = "short_history"


class Measure(Strict):
    """A mean over users with its 95 % bootstrap interval."""

    model_config = ConfigDict(allow_inf_nan=False)

    mean: float = Field(description="Mean over the users.")
    low: float | None = Field(default=None, description="Lower bound of the 95 % interval; null where none is made.")
    high: float | None = Field(default=None, description="Upper bound of the 95 % interval.")
    n: int = Field(ge=1, description="Number of users.")

    def __neg__(self) -> Measure:
        """The same of the difference the other way round."""
        turned = {"low": self.high, "high": self.low}
        return Measure(
            mean=-self.mean, n=self.n, **{name: None if end is None else -end for name, end in turned.items()}
        )

    def clearly_above(self, other: Measure) -> bool:
        """Whether this interval lies wholly above the other one."""
        return self.low is not None and other.high is not None and self.low > other.high


class Rivals(Strict):
    """Numbers of other items that the targets of a case were ranked against. With a few, every scorer looks good."""

    fewest: int = Field(ge=0, description="Of the case that has the fewest.")
    median: float = Field(ge=0, description="Of the cases in the middle.")
    cases_without: int = Field(default=0, ge=0, description="Cases that had none and were left out.")


Measures = dict[str, Measure]
"""Metric, such as ndcg@10, to number."""

Slices = dict[str, Measures]
"""Slice to metric to number; a slice without users is left out."""


class Staleness(Strict):
    """How well a scorer does with states that are some hours old, as where users' states are cached."""

    hours: int = Field(ge=0, description="What happened so long before the request, or later, is hidden.")
    shortened: float = Field(ge=0, le=1, description="Share of the users of whom it hides something.")
    mrr: Measure = Field(description="Mean reciprocal rank.")


class EvaluationReport(Strict):
    """One protocol: every scorer on the same cases."""

    users: int = Field(ge=0, description="Number of cases, one a user.")
    targets: int = Field(ge=0, description="Number of targets of all users.")
    items: int = Field(ge=1, description="Size of the catalogue that was ranked.")
    rivals: Rivals | None = Field(default=None, description="What targets were ranked against; null: not counted.")
    candidate: str = Field(description="The scorer that the others are compared with.")
    scorers: dict[str, Slices] = Field(description="Scorer to slice to metric to number.")
    differences: dict[str, dict[str, Measures]] = Field(
        description="Slice to other scorer to metric to the paired difference candidate minus other."
    )
    paired: dict[str, dict[str, Measures]] = Field(
        default_factory=dict,
        description="Of every two contestants, over all targets: the first one to the second one to metric to the "
        "paired difference first minus second.",
    )
    staleness: dict[str, tuple[Staleness, ...]] = Field(
        default_factory=dict, description="Scorer to how well it does the older its states are, the newest first."
    )
    seconds: dict[str, float] = Field(default_factory=dict, description="Seconds that each scorer took.")

    def without_rivals(self, cases: int) -> EvaluationReport:
        """This report, saying that so many cases were left out because they had no rival."""
        if self.rivals is None:
            return self
        return self.model_copy(update={"rivals": self.rivals.model_copy(update={"cases_without": cases})})

    def measure(self, scorer: str, metric: str, slice_name: str = OVERALL) -> Measure | None:
        """The number, or None where this scorer, slice or metric was not evaluated."""
        return self.scorers.get(scorer, {}).get(slice_name, {}).get(metric)

    def difference(self, other: str, metric: str, slice_name: str = OVERALL) -> Measure | None:
        """Candidate minus `other`, or None where it was not evaluated."""
        return self.differences.get(slice_name, {}).get(other, {}).get(metric)

    def paired_difference(self, first: str, second: str, metric: str) -> Measure | None:
        """`first` minus `second` over all targets, or None where the two are not both contestants."""
        if told := self.paired.get(first, {}).get(second, {}).get(metric):
            return told
        turned = self.paired.get(second, {}).get(first, {}).get(metric)
        return -turned if turned else None


class Contestant(Strict):
    """A scorer that is a version, and so may be released."""

    version: str = Field(description="Name of the version.")
    family: str = Field(description="Family of models that it is of.")
    created: datetime = Field(description="When it was made.")


class WrittenEvaluation(Strict):
    """What stands in a version's `evaluation.json`, whatever its family is asked."""

    def write(self, folder: Path) -> Path:
        """Writes `evaluation.json` into the version's `folder`, whole or not at all."""
        path, partial = folder / EVALUATION, folder / f".{EVALUATION}.partial"
        partial.write_text(self.model_dump_json(indent=2))
        partial.replace(path)
        return path


class WindowEvaluation(WrittenEvaluation):
    """The evaluation of a version on what its own training set holds of the window after its cutoff."""

    version: str = Field(description="The version that was evaluated.")
    training_set: str = Field(default="", description="The training set that holds what it was asked.")
    cutoff: datetime = Field(description="Its training data end before this instant (UTC).")
    window_days: int = Field(ge=1, description="Days after the cutoff that hold what it is asked about.")
    seed: int = Field(description="Seed of the bootstrap, and of whatever is drawn.")
    table_versions: dict[str, int] = Field(description="Delta version of every table that was read.")


class VersionEvaluation(WrittenEvaluation):
    """The whole evaluation of one version: what stands in its `evaluation.json`."""

    version: str = Field(description="The version that was evaluated.")
    champion: str | None = Field(description="The champion that was evaluated on the same cases; null: there was none.")
    broken_champion: str | None = Field(default=None, description="The champion, where it can no longer score.")
    broken_candidate: Contestant | None = Field(
        default=None,
        description="The version that the run trained, where it cannot be asked: another one of the night is evaluated "
        "in its place.",
    )
    incumbent: Contestant | None = Field(
        default=None, description="The champion, whether or not it took part; null, too, where nothing is left of it."
    )
    contestants: dict[str, Contestant] = Field(
        default_factory=dict, description="The scorers among which a release is decided: the candidate is the first."
    )
    ancestors: list[str] = Field(
        default_factory=list,
        description="The versions that it was trained on from, one from the other, down to the one from scratch.",
    )
    left_out: dict[str, str] = Field(default_factory=dict, description="Scorers that are missing, and why.")
    cutoff: datetime = Field(description="Training data of every scorer ends before this instant (UTC).")
    window_days: int = Field(ge=0, description="Days after the cutoff that hold the time split's targets.")
    seed: int = Field(description="Seed of the user samples and the bootstrap.")
    table_versions: dict[str, int] = Field(description="Delta version of every table that was read.")
    primary_protocol: Protocol = Field(
        validation_alias=AliasChoices("primary_protocol", "headline"),  # Its name in artifacts of earlier versions.
        description="The protocol that decides a release.",
    )
    metric: str = Field(description="The metric that is shown first.")
    protocols: dict[Protocol, EvaluationReport] = Field(description="The numbers; the primary protocol is among them.")

    @model_validator(mode="after")
    def _primary_protocol_is_there(self) -> VersionEvaluation:
        if self.primary_protocol not in self.protocols:
            raise ValueError(f"the primary protocol '{self.primary_protocol}' was not evaluated")
        return self

    @property
    def report(self) -> EvaluationReport:
        """The primary protocol's report."""
        return self.protocols[self.primary_protocol]

    def summary(self) -> dict[str, dict[str, object]]:
        """The primary protocol's numbers: scorer to metric to number, other slices under their own name."""
        return {
            scorer: {
                **{metric: measure.model_dump() for metric, measure in slices.get(OVERALL, {}).items()},
                **{
                    name: {metric: measure.model_dump() for metric, measure in measures.items()}
                    for name, measures in slices.items()
                    if name != OVERALL
                },
            }
            for scorer, slices in self.report.scorers.items()
        }

    @classmethod
    def read(cls, folder: Path) -> VersionEvaluation:
        """Reads `evaluation.json` of the version in `folder`.

        Raises:
            FileNotFoundError: that version was not evaluated.
        """
        path = folder / EVALUATION
        if not path.is_file():
            raise FileNotFoundError(f"version {folder.name} has no {EVALUATION}: materialize `evaluation` first")
        return cls.model_validate_json(path.read_text())
