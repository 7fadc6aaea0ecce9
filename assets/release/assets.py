"""The `release` asset: the gate's decision, recorded."""

import dagster as dg
import polars as pl
from pydantic import Field

from assets.evaluation.assets import evaluation
from assets.metadata import markdown_table, plain_name
from assets.release.gate import decide, decide_by_hand
from assets.release.record import record
from assets.resources import GateResource, LakeResource
from assets.versions import ARTIFACTS, newest_manifest, releases_of
from models.evaluation.report import VersionEvaluation
from models.manifest import list_versions
from serving.releases import Releases

RECENT_DECISIONS = 10


class ReleaseRun(dg.Config):
    """Which version to decide on, and whether a person has decided already."""

    version: str | None = Field(default=None, description="The version in question; null: the newest one.")
    force_reason: str | None = Field(
        default=None, description="Promotes without the gate, by hand; a sentence that says why, for the record."
    )


@dg.asset(
    deps=[evaluation],
    group_name="release",
    kinds={"delta"},
    owners=["team:ml"],
    code_version="1",
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Promotes the newest version if it beats the champion (the first one: popularity); records why.",
)
def release(
    context: dg.AssetExecutionContext, config: ReleaseRun, lake: LakeResource, gate: GateResource
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    version = config.version or newest_manifest(tables).version
    releases = releases_of(tables)
    if config.force_reason:
        decision = decide_by_hand(
            version, list_versions(tables.folder(ARTIFACTS)), releases.champion(), config.force_reason
        )
    else:
        evaluated = VersionEvaluation.read(tables.folder(ARTIFACTS) / version)
        decision = decide(evaluated, releases.champion(), gate)
    record(releases, decision)
    context.log.info(decision.reason)
    return dg.MaterializeResult(
        metadata={
            "version": version,
            "promoted": decision.promote,
            "reason": decision.reason,
            "champion": releases.champion() or "none",
            "decisions": dg.MetadataValue.md(markdown_table(_recent(releases))),
            **{plain_name(name): value for name, value in decision.numbers.items()},
        }
    )


def _recent(releases: Releases) -> pl.DataFrame:
    return releases.log().reverse().head(RECENT_DECISIONS).select("at", "action", "version", "previous", "reason")
