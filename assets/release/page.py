"""What the page of the asset `release` shows, whoever decided."""

from typing import Any

import dagster as dg
import polars as pl

from assets.evaluation.plots import cell
from assets.metadata import markdown_table, plain_name
from assets.release.gate import Decision
from assets.versions import family_of, releases_of
from models.evaluation.report import VersionEvaluation
from storage.lake import Lake

RECENT_DECISIONS = 10


def release_metadata(
    lake: Lake, version: str, reason: str, decision: Decision | None = None, contestants: pl.DataFrame | None = None
) -> dict[str, Any]:
    """Metadata of a materialization.

    Args:
        lake: Whose log has the decision in it by now.
        version: The version that was decided on.
        reason: One sentence.
        decision: What the gate said, where it was asked.
        contestants: What `contestants_table` makes of that.
    """
    releases = releases_of(lake)
    champion, recent = releases.champion(), releases.log().reverse().head(RECENT_DECISIONS)
    metadata: dict[str, Any] = {
        "version": version,
        "promoted": champion == version,
        "reason": reason,
        "champion": champion or "none",
        "family": family_of(lake, champion) or "none",
        "decisions": dg.MetadataValue.md(
            markdown_table(recent.select("at", "action", "version", "previous", "reason"))
        ),
    }
    if decision and decision.refusal:
        metadata["refusal"] = decision.refusal
    if contestants is not None:
        metadata["contestants"] = dg.MetadataValue.md(markdown_table(contestants))
    return metadata | {plain_name(name): value for name, value in (decision.numbers if decision else {}).items()}


def contestants_table(evaluation: VersionEvaluation, decision: Decision, metric: str) -> pl.DataFrame:
    """Who took part, what each had on every protocol, and what became of it."""

    def numbers(scorer: str) -> dict[str, str]:
        measures = {name: of.measure(scorer, metric) for name, of in evaluation.protocols.items()}
        return {
            f"{metric} ({name}, {evaluation.protocols[name].users} users)": cell(told) if told else ""
            for name, told in measures.items()
        }

    return pl.DataFrame(
        [
            {"contestant": scorer, "version": of.version, "family": of.family, **numbers(scorer), "outcome": outcome}
            for scorer, outcome in decision.verdicts.items()
            for of in [evaluation.contestants[scorer]]
        ]
    )
