"""What the rules look at, and what they find."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from assets.data_report.cases import Cut
from assets.data_report.content import Content
from assets.data_report.counts import Activity, Histories
from assets.data_report.evidence import Evidence
from assets.data_report.profile_keys import ProfileKeys
from assets.release.settings import ReleaseSettings
from assets.training.training_set import TrainingSetSettings
from assets.validation.settings import QualitySettings
from storage.schema import IdType

MENTIONED = 3
"""Values that a sentence names at most."""

LONGEST = 40
"""Characters of such a value."""


@dataclass(frozen=True)
class Finding:
    """Something in a log that does not fit the settings.

    Attributes:
        key: The setting, as it stands in the profile.
        what: What is wrong with it, with the numbers.
        advice: What to do.
        stops: Whether training cannot succeed.
    """

    key: str
    what: str
    advice: str
    stops: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.key}: {self.what}: {self.advice}"


@dataclass(frozen=True)
class Settings:
    """All that a profile says about a log and what is done with it.

    Attributes:
        keys: How the profile calls what is at fault.
    """

    quality: QualitySettings
    training_set: TrainingSetSettings
    release: ReleaseSettings
    id_type: IdType
    keys: ProfileKeys = field(default_factory=ProfileKeys)

    @property
    def positive_actions(self) -> Sequence[str]:
        return self.training_set.training.positive_actions


@dataclass(frozen=True)
class Seen:
    """What the rules look at.

    Attributes:
        histories: None where there is no event with an action that counts in the vocabulary.
        cut: None where there is no positive.
        listed_share: Share of the chosen items that the catalogue has.
    """

    evidence: Evidence
    settings: Settings
    activity: Activity
    histories: Histories | None
    cut: Cut | None
    content: Content
    listed_share: float

    @property
    def rows(self) -> int:
        return self.activity.events + self.evidence.put_aside.rows


def such_as(values: pl.Series) -> str:
    """The first of the values, for a sentence; nothing where there is none."""
    texts = values.head(MENTIONED).to_list()
    some = [text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..." for text in texts]
    return f" such as {', '.join(map(repr, some))}" if some else ""


def listed(names: Sequence[str]) -> str:
    """Names for a sentence."""
    return ", ".join(map(repr, names))


def counted(number: int, what: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
