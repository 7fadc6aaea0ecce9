"""The `release` asset: the gate's decision, recorded."""

import dagster as dg
from pydantic import Field

from assets.data_version import data_version
from assets.evaluation.assets import evaluation
from assets.release.gate import decide, decide_by_hand
from assets.release.page import contestants_table, release_metadata
from assets.release.record import record
from assets.release.settings import ReleaseSettings
from assets.resources import LakeResource
from assets.versions import artifact_of, releases_of, version_in_question, versions_of
from models.evaluation.report import VersionEvaluation
from storage.lake import Lake


class ReleaseRun(dg.Config):
    """Which version to decide on, and whether a person has decided already."""

    version: str | None = Field(
        default=None, description="The version in question; null: the one that this run evaluated, else the last one."
    )
    force_reason: str | None = Field(
        default=None, description="Promotes without the gate, by hand; a sentence that says why, for the record."
    )


@dg.asset(
    deps=[evaluation],
    group_name="release",
    kinds={"delta"},
    owners=["team:ml"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    description="Makes the best of tonight's versions champion, of whatever family, or lets the champion go on: a "
    "version than which another one is clearly better is not released. Records why, and what to do about a refusal.",
)
def release(
    context: dg.AssetExecutionContext,
    config: ReleaseRun,
    lake: LakeResource,
    release: dg.ResourceParam[ReleaseSettings],
) -> dg.MaterializeResult[None]:
    tables = lake.open()
    version = version_in_question(context, tables, "evaluation", config.version)
    releases = releases_of(tables)
    champion, contestants = releases.champion(), None
    if config.force_reason:
        decision = decide_by_hand(version, list(versions_of(tables)), champion, config.force_reason)
    else:
        evaluated = _evaluation(tables, version)
        decision = decide(evaluated, champion, release)
        contestants = contestants_table(evaluated, decision, release.metric)
    record(releases, decision, champion)
    for told in filter(None, (decision.reason, decision.refusal)):
        context.log.info(told)
    return dg.MaterializeResult(
        metadata=release_metadata(tables, version, decision.reason, decision, contestants),
        data_version=data_version(context, release, version, releases.champion()),
    )


def _evaluation(lake: Lake, version: str) -> VersionEvaluation:
    """The evaluation of that very version.

    Raises:
        ValueError: there is none.
    """
    folder = artifact_of(lake, version)
    try:
        evaluated = VersionEvaluation.read(folder)
    except FileNotFoundError:
        raise ValueError(f"version {version} was not evaluated yet: materialize `evaluation` first") from None
    if evaluated.version != version:
        raise ValueError(f"{folder} holds the evaluation of {evaluated.version}: materialize `evaluation` again")
    return evaluated
