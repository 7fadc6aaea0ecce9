"""What a proposed profile has to allow for, so that the assets do not refuse the very files it was made for."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import ceil

from assets.data_report.evidence import Evidence
from assets.validation.settings import QualitySettings

USUAL = QualitySettings()


@dataclass(frozen=True)
class Allowances:
    """The largest shares that a day, or the whole, is judged by.

    Attributes:
        rejected: Of the events that are put aside, and
        reasons: why.
        items_rejected: Of the catalogue's rows that are put aside, and
        items_reasons: why.
        without_time: Of the events without a time.
    """

    rejected: float = 0.0
    reasons: str = ""
    items_rejected: float = 0.0
    items_reasons: str = ""
    without_time: float = 0.0

    @classmethod
    def of(cls, evidence: Evidence) -> "Allowances":
        return cls(
            evidence.rejected_share,
            evidence.put_aside.told(),
            evidence.items_rejected_share,
            evidence.items_put_aside.told(),
            evidence.without_time_share,
        )

    def told(self) -> Iterator[tuple[str, float, str]]:
        """The keys of the section `quality` that have to allow for more than usual: key, value, why."""
        most = max(self.rejected, self.items_rejected)
        if most > USUAL.max_rejected_share:
            whose, reasons = ("", self.reasons) if most == self.rejected else (" of the catalogue", self.items_reasons)
            why = f"of the rows{whose} of a day up to {most:.0%} are put aside ({reasons})"
            yield "max_rejected_share", _above(most), why
        if self.without_time > USUAL.max_without_time_share:
            why = f"{self.without_time:.0%} of the rows have no time, and are put aside"
            yield "max_without_time_share", _above(self.without_time), why


NOTHING = Allowances()


def _above(share: float) -> float:
    """The next but one twentieth."""
    return min(1.0, ceil(share * 20 + 1) / 20)
