"""The asset `new_item_vectors`: items that came after the champion was trained."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from assets.data_version import data_version
from assets.resources import NO_CONFIG, LakeResource
from assets.vectors.new_items import NewToVersion, make_new_items, versions_that_serve
from assets.versions import VERSION, skipped
from models.markdown import escaped
from storage.schema import CONTENT_TABLE

SERVED = "new_items_are_served"


@dg.asset(
    deps=["content_embeddings", "release"],
    group_name="serving",
    kinds={"pytorch", "delta"},
    owners=["team:serving"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    check_specs=[
        dg.AssetCheckSpec(
            SERVED,
            asset="new_item_vectors",
            description="Items that came after the champion was trained are served by their content.",
        )
    ],
    description="Vectors of the items that came after the champion was trained, made by its own item tower of what the "
    "catalogue says of them, so that the endpoint serves them without training again.",
)
def new_item_vectors(context: dg.AssetExecutionContext, lake: LakeResource) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants it bare beside check_specs
    tables = lake.open()

    def none(why: str, *, passed: bool) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return skipped(context, why, _result(passed=passed, told=why))

    if not tables.exists(CONTENT_TABLE):
        return none("there is no content", passed=True)
    try:
        folders = versions_that_serve(tables)
        if not folders:
            return none("no version was ever promoted", passed=True)
        made, written = make_new_items(tables, folders, lake.id_type)
    except Exception as error:
        # The champion answers with the items that it was trained with, and those that were made before.
        context.log.error(f"no vectors of new items are made: {error}", exc_info=True)
        return none(f"those before stay, as it failed: {type(error).__name__}: {error}", passed=False)
    for one in made:
        context.log.info(f"{one.version}: {_in_words(one)}")
    return dg.MaterializeResult(
        metadata={**_told(made), "table_version": written},
        data_version=data_version(context, [(one.version, one.items, one.why) for one in made]),
        check_results=[_result(passed=not made[0].refused, told=_in_words(made[0]))],
    )


def _told(made: Sequence[NewToVersion]) -> dict[str, Any]:
    """Of the champion, and what a rollback would find."""
    told: dict[str, Any] = {}
    for who, one in zip(("", "previous_"), made, strict=False):
        told |= {
            f"{who}{VERSION}": one.version,
            f"{who}family": one.family,
            f"{who}new_items": one.items,
            f"{who}without_content": one.without_content,
            f"{who}left_out": one.left_out,
        }
        told |= {f"{who}why": one.why} if one.why else {}
    return told


def _in_words(one: NewToVersion) -> str:
    told = f"{one.items:,} items came after {one.version} and are served"
    told += f", {one.without_content:,} have no content and are not" if one.without_content else ""
    return told + (f", {one.left_out:,} are not: {one.why}" if one.left_out else "")


def _result(*, passed: bool, told: str) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed, check_name=SERVED, severity=dg.AssetCheckSeverity.WARN, description=escaped(told)
    )
