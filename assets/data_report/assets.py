"""The asset `data_report`: what a log is like, before anything is trained on it."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from assets.content.settings import ContentSettings
from assets.data_report.evidence import Evidence, days_until_now
from assets.data_report.page import NOTHING, findings_table, report_metadata
from assets.data_report.profile_keys import ProfileKeys
from assets.data_report.report import report_on
from assets.data_report.seen import Settings
from assets.data_version import data_version
from assets.partitions import profile_days
from assets.release.settings import ReleaseSettings
from assets.resources import NO_CONFIG, LakeResource
from assets.sources.source import Source
from assets.training.training_set import TrainingSetSettings
from assets.validation.settings import QualitySettings
from models.markdown import escaped
from storage.schema import ITEMS_TABLE
from storage.sequence_store import SEQUENCES_TABLE

TRAINABLE = "something_can_be_learned"
SETTINGS_FIT = "settings_fit_the_data"


@dg.asset(
    deps=["items", "events", "sequences"],
    group_name="sequences",
    kinds={"polars", "numpy"},
    owners=["team:data"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    check_specs=[
        dg.AssetCheckSpec(
            TRAINABLE, asset="data_report", blocking=True, description="There is something to learn from, and to judge."
        ),
        dg.AssetCheckSpec(
            SETTINGS_FIT, asset="data_report", description="The profile's settings fit what the log and catalogue hold."
        ),
    ],
    description="What the log and the catalogue hold, whom the evaluation could ask, how often the simplest models "
    "would be right, and which settings do not fit. Where nothing can be learned, the run ends here.",
)
def data_report(
    context: dg.AssetExecutionContext,
    lake: LakeResource,
    source: dg.ResourceParam[Source],
    quality: dg.ResourceParam[QualitySettings],
    content: dg.ResourceParam[ContentSettings],
    set_settings: dg.ResourceParam[TrainingSetSettings],
    release: dg.ResourceParam[ReleaseSettings],
) -> Iterator[dg.MaterializeResult[Any]]:
    tables = lake.open()
    evidence = Evidence.of_lake(tables, days_until_now(*profile_days()))
    settings = Settings(quality, set_settings, release, lake.id_type, ProfileKeys.of(source))
    report = report_on(evidence, settings, content.image, lake.rows_in_memory)
    stopping = "; ".join(finding.sentence for finding in report.stopping)
    others = [finding for finding in report.findings if not finding.stops]
    for finding in others:
        context.log.warning(finding.sentence)
    versions = [tables.version(table) for table in (SEQUENCES_TABLE, ITEMS_TABLE)]
    yield dg.MaterializeResult(
        metadata=report_metadata(report),
        data_version=data_version(context, quality, content, set_settings, release, *versions),
        check_results=[
            dg.AssetCheckResult(
                check_name=TRAINABLE,
                passed=not stopping,
                severity=dg.AssetCheckSeverity.ERROR,
                description=escaped(stopping or "There is."),
            ),
            dg.AssetCheckResult(
                check_name=SETTINGS_FIT,
                passed=not others,
                severity=dg.AssetCheckSeverity.WARN,
                description=escaped(f"Look at {', '.join(one.key for one in others)}." if others else NOTHING),
                metadata={"what_does_not_fit": dg.MetadataValue.md(findings_table(others))},
            ),
        ],
    )
    if stopping:
        raise dg.Failure(f"nothing is trained: {stopping}", allow_retries=False)
