"""The asset `user_item_vectors`: what other applications read of users and items."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.data_version import data_version
from assets.metadata import table_metadata
from assets.resources import NO_CONFIG, LakeResource
from assets.training.training_set import data_end_of
from assets.vectors.publish import Published, publish
from assets.vectors.settings import VectorsSettings
from assets.vectors.versions import versions_to_publish
from assets.versions import VERSION, skipped
from models.markdown import escaped
from storage.schema import EVENTS_TABLE

CLOSE = "close_to_the_version_before"


@dg.asset(
    deps=["sequences", "release", "new_item_vectors", "user_item_towers"],
    group_name="serving",
    kinds={"pytorch", "delta"},
    owners=["team:serving"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    config_schema=NO_CONFIG,
    check_specs=[
        dg.AssetCheckSpec(
            CLOSE,
            asset="user_item_vectors",
            description="Vectors of items are close to those of the version before, so that what reads them goes on.",
        )
    ],
    description="The nightly batch: vectors of all users as they stand and of all items, of the champion, else of the "
    "newest model, and of the newest two towers; in the space of the version before, so that another model that reads "
    "them need not be trained again.",
)
def user_item_vectors(
    context: dg.AssetExecutionContext, lake: LakeResource, vectors: dg.ResourceParam[VectorsSettings]
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants it bare beside check_specs
    tables, now = lake.open(), datetime.now(UTC)

    def none(why: str, *, passed: bool) -> dg.MaterializeResult:  # type: ignore[type-arg]
        return skipped(context, why, _result(passed=passed, told=why, measured=False))

    if not vectors.publish:
        return none("the profile says `publish: false`", passed=True)
    batch = f"{now:%Y%m%dT%H%M%S-%f}"[:-3]
    try:
        folders = versions_to_publish(tables)
        if not folders:
            return none("no version has vectors of users and items", passed=True)
        as_of = data_end_of(tables, tables.version(EVENTS_TABLE))
        made, written = publish(
            tables, folders, lake.id_type, lake.rows_in_memory, batch, as_of, keep_batches=vectors.keep_batches
        )
    except Exception as error:
        # What other applications read must not keep a good version from answering; what they have stays as it was.
        context.log.error(f"no vectors are published: {error}", exc_info=True)
        return none(f"the batch before stays, as publishing failed: {type(error).__name__}: {error}", passed=False)
    first = made[0]
    for one in made:
        context.log.info(f"{one.version}: space {one.space.id}{', ' if one.space.reason else ''}{one.space.reason}")
    return dg.MaterializeResult(
        metadata=table_metadata(
            first.preview,
            sum(one.users for one in made),
            batch=batch,
            as_of=as_of.isoformat(),
            **_told(first),
            **{f"{one.family}_{name}": value for one in made[1:] for name, value in _told(one).items()},
            tables=", ".join(f"{table} at version {number}" for table, number in written.items()),
        ),
        data_version=data_version(context, vectors, [one.version for one in made]),
        check_results=[_close(made, vectors)],
    )


def _told(one: Published) -> dict[str, Any]:
    space = one.space
    told = {
        VERSION: one.version,
        "space": space.id,
        "turned_towards": space.towards,
        "common_items": space.common_items,
        "mean_cosine": space.mean_cosine,
        "change_of_scores": space.change_of_scores,
        "space_reason": space.reason or None,
        "users": one.users,
        "items": one.items,
        "users_without_a_known_item": one.without,
    }
    return {name: value for name, value in told.items() if value is not None}


def _close(made: Sequence[Published], settings: VectorsSettings) -> dg.AssetCheckResult:
    """Whether each version that is new to the tables is as close as the settings ask."""
    close = {one.version: one.space.mean_cosine for one in made if one.is_new and one.space.mean_cosine is not None}
    if close:
        told = "; ".join(f"{version}: mean cosine {cosine:.3f}" for version, cosine in close.items())
    elif any(one.is_new for one in made):
        told = "; ".join(f"{one.version}: {one.space.reason}" for one in made)
    else:
        told = "no version is new"
    told = f"{told}; at least {settings.least_cosine:g} is asked for"
    lowest = min(close.values(), default=1.0)
    more = {"mean_cosine": lowest} if close else {}
    return _result(passed=lowest >= settings.least_cosine, told=told, measured=bool(close), **more)


def _result(*, passed: bool, told: str, **metadata: Any) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=passed,
        check_name=CLOSE,
        severity=dg.AssetCheckSeverity.WARN,
        description=escaped(told),
        metadata=metadata,
    )
