"""What a proposed profile has to allow for, so that the assets do not refuse the very files it was made for."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from assets.data_report.evidence import Evidence
from assets.validation.settings import QualitySettings

USUAL = QualitySettings()


MOST_MISREAD = 0.5
"""Where more of a day's rows are put aside, not counting those that are empty or repeat others, the profile does not
fit the files: nothing is learned from that, and the report says what is wrong."""


@dataclass(frozen=True)
class Allowance:
    """Rows of one table that are put aside.

    Attributes:
        share: The largest share that a day, or the whole, is judged by.
        misread: The same of those that a wrong profile may have put aside.
        reasons: Why they are put aside.
        whose: Of what they are rows, where not of the log.
    """

    share: float
    misread: float
    reasons: str
    whose: str = ""

    @property
    def honest(self) -> bool:
        """Whether it tells what the files are like; a day of which nothing is left never does."""
        return self.share < 1 and self.misread <= MOST_MISREAD


@dataclass(frozen=True)
class Allowances:
    """The largest shares that a day, or the whole, is judged by.

    Attributes:
        rejected: Of the events and of the catalogue's rows that are put aside.
        without_time: Of the events without a time.
    """

    rejected: tuple[Allowance, ...] = ()
    without_time: float = 0.0

    @classmethod
    def of(cls, evidence: Evidence) -> "Allowances":
        events = Allowance(evidence.rejected_share, evidence.misread_share, evidence.put_aside.told())
        items = Allowance(
            evidence.items_rejected_share,
            evidence.items_misread_share,
            evidence.items_put_aside.told(),
            " of the catalogue",
        )
        return cls((events, items), evidence.without_time_share)

    def told(self) -> Iterator[tuple[str, float, str]]:
        """The keys of the section `quality` that have to allow for more than usual: key, value, why."""
        honest = [one for one in self.rejected if one.honest and one.share > USUAL.max_rejected_share]
        if honest:
            most = max(honest, key=lambda one: one.share)
            why = f"of the rows{most.whose} of a day up to {most.share:.0%} are put aside ({most.reasons})"
            yield "max_rejected_share", _above(most.share), why
        if self.without_time > USUAL.max_without_time_share:
            why = f"{self.without_time:.0%} of the rows have no time, and are put aside"
            yield "max_without_time_share", _above(self.without_time), why


NOTHING = Allowances()


def _above(share: float) -> float:
    """The next but one twentieth; near 1 half of what is left, as 1 would let everything pass."""
    twentieth = ceil(share * 20 + 1) / 20
    return twentieth if twentieth < 1 else (1 + share) / 2
