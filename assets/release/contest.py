"""The numbers by which a release is decided: every contestant on the same cases, every two compared user by user."""

from collections.abc import Collection
from dataclasses import dataclass
from math import isfinite

from assets.evaluation.evaluate_version import CHAMPION
from assets.release.settings import ReleaseSettings
from models.evaluation.report import Contestant, EvaluationReport, Measure, Protocol, VersionEvaluation


@dataclass(frozen=True)
class Lead:
    """How far one contestant is ahead of another, on one protocol."""

    protocol: Protocol
    difference: Measure


@dataclass(frozen=True)
class Contest:
    """One evaluation, as far as it decides.

    Attributes:
        champion: The version in place; None where there is none. What was champion before it takes no part.
    """

    evaluation: VersionEvaluation
    settings: ReleaseSettings
    champion: str | None

    @property
    def candidate(self) -> str:
        """The scorer that is the version which the run trained."""
        return self.evaluation.report.candidate

    @property
    def contestants(self) -> dict[str, Contestant]:
        """Scorers that may be champion from now on."""
        every = self.evaluation.contestants.items()
        return {scorer: of for scorer, of in every if scorer != CHAMPION or of.version == self.champion}

    @property
    def protocols(self) -> list[Protocol]:
        """Those that count: the deciding one, which is the primary protocol where it counts, then the other one."""
        return [protocol for protocol in self.reports if self._counts(protocol)]

    @property
    def reports(self) -> dict[Protocol, EvaluationReport]:
        """The numbers by protocol, the primary one first."""
        primary = self.evaluation.primary_protocol
        return dict(sorted(self.evaluation.protocols.items(), key=lambda named: named[0] != primary))

    def version(self, scorer: str) -> str:
        return self.contestants[scorer].version

    def family(self, scorer: str) -> str:
        return self.contestants[scorer].family

    def scorer_of(self, version: str | None) -> str | None:
        return next((scorer for scorer, of in self.contestants.items() if of.version == version), None)

    def of_family(self, family: str | None) -> str | None:
        """The newest version of a family."""
        some = [scorer for scorer, of in self.contestants.items() if of.family == family]
        return max(some, key=lambda scorer: self.contestants[scorer].created, default=None)

    def measure(self, scorer: str, protocol: Protocol) -> Measure | None:
        """The mean of the metric that decides; None where it was not measured, or is no number."""
        told = self.reports[protocol].measure(scorer, self.settings.metric)
        return told if told and isfinite(told.mean) else None

    def difference(self, first: str, second: str, protocol: Protocol) -> Measure | None:
        """`first` minus `second`, user by user; None where it was not measured."""
        return self.reports[protocol].paired_difference(first, second, self.settings.metric)

    def lead(self, first: str, second: str) -> Lead | None:
        """Where `first` is clearly better than `second`; None where it is not, or clearly worse on the other protocol.

        Clearly: the 95 % interval of the paired difference lies wholly on one side of 0.
        """
        leads = [Lead(p, told) for p in self.protocols if (told := self.difference(first, second, p))]
        if any(lead.difference.high is not None and lead.difference.high < 0 for lead in leads):
            return None
        return next((lead for lead in leads if lead.difference.low is not None and lead.difference.low > 0), None)

    def beaten_by(self, scorer: str) -> str | None:
        """The best of those that are clearly better than `scorer`; None where there is none."""
        ahead = [other for other in self.contestants if other != scorer and self.lead(other, scorer)]
        return self.best(ahead) if ahead else None

    def unbeaten(self) -> list[str]:
        """Those than whom nobody is clearly better; all, where everybody is beaten by somebody."""
        every = list(self.contestants)
        return [scorer for scorer in every if self.beaten_by(scorer) is None] or every

    def best(self, scorers: Collection[str]) -> str:
        """Who keeps most of the best mean on the protocol where they keep least; of equals, the deciding one's best.

        So nobody who shines on one protocol and fails on the other goes before who is good on both.
        """

        def place(scorer: str) -> tuple[float, list[float], str]:
            measures = [self.measure(scorer, protocol) for protocol in self.protocols]
            means = [told.mean for told in measures if told]
            shares = [mean / most if most > 0 else 1.0 for mean, most in zip(means, most_by_protocol, strict=True)]
            return -min(shares, default=1.0), [-mean for mean in means], self.version(scorer)

        every = [[self.measure(scorer, protocol) for scorer in scorers] for protocol in self.protocols]
        most_by_protocol = [max(told.mean for told in some if told) for some in every]
        return min(scorers, key=place)

    def freshens(self, scorer: str, holder: str) -> bool:
        """Whether `scorer` is a newer version of the family of `holder`, and better by at least the margin.

        One that answers every case alike brings nothing new: where the margin is 0 it does not.
        """
        newer, older = self.contestants[scorer], self.contestants[holder]
        if newer.family != older.family or newer.created <= older.created:
            return False
        difference, margin = self.difference(scorer, holder, self.protocols[0]), self.settings.margin
        if difference is None:
            return False
        return difference.mean > margin or (difference.mean == margin and not self._alike(scorer, holder))

    def _alike(self, first: str, second: str) -> bool:
        """Whether the two are the same to every user, by every metric."""
        paired = [self.reports[protocol].paired for protocol in self.protocols]
        measures = [every.get(a, {}).get(b, {}) for every in paired for a, b in ((first, second), (second, first))]
        return all(told.mean == told.low == told.high == 0 for of in measures for told in of.values())

    def _counts(self, protocol: Protocol) -> bool:
        enough = self.reports[protocol].users >= self.settings.min_users
        return enough and all(self.measure(scorer, protocol) for scorer in self.contestants)
