"""Writes the gate's decision to the release log."""

import json

from assets.release.gate import Decision
from storage.releases import Releases


def record(releases: Releases, decision: Decision, champion: str | None) -> None:
    """Rejects and promotes as decided; a rejection that stands in the log already is not repeated.

    Args:
        champion: The one that the decision was made against.
    """
    numbers = json.dumps(decision.numbers)
    if decision.refused and not _already_rejected(releases, decision):
        releases.reject(decision.refused, decision.refusal, numbers)
    if decision.promoted:
        releases.promote(decision.promoted, decision.reason, numbers, champion)


def _already_rejected(releases: Releases, decision: Decision) -> bool:
    last = releases.log().filter(version=decision.refused).tail(1)
    return last.filter(action="reject", reason=decision.refusal).height > 0
