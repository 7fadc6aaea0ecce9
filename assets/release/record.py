"""Writes the gate's decision to the release log."""

import json

import polars as pl

from assets.release.gate import Decision
from storage.releases import Releases


def record(releases: Releases, decision: Decision, champion: str | None) -> None:
    """Promotes or rejects as decided; a decision that changes nothing and stands in the log already is not repeated.

    Args:
        champion: The one that the decision was made against.
    """
    numbers = json.dumps(decision.numbers)
    if decision.promote:
        releases.promote(decision.version, decision.reason, numbers, champion)
    elif decision.version != champion and not _already_rejected(releases, decision):
        releases.reject(decision.version, decision.reason, numbers)


def _already_rejected(releases: Releases, decision: Decision) -> bool:
    same = (pl.col("version") == decision.version) & (pl.col("reason") == decision.reason)
    return releases.log().tail(1).filter(same, pl.col("action") == "reject").height > 0
