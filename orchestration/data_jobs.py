"""Jobs that look after the data: replaying what was quarantined, forgetting a person."""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from enum import Enum
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
from pydantic import Field

from assets.events.publish import EventsRun
from assets.partitions import partition_column, partition_of
from assets.privacy.forget import Forgetting, forget, landed_rows
from assets.privacy.person import Person
from assets.privacy.proof import Proof, search
from assets.resources import LakeResource, RayResource
from assets.sources.source import Source
from assets.validation.settings import QualitySettings
from assets.versions import releases_of
from models.columns import DAY
from serving.client import EndpointClient, EndpointError
from serving.settings import EndpointSettings
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.sequence_store import BUCKETS_FOLDER, SEQUENCES_TABLE

LANDED_SHOWN = 100
"""Rows of landing files that are named in the result; more are counted."""


class ReplayConfig(dg.Config):
    """Which days are cleaned again from what the tables kept of them."""

    days: list[str] = Field(description="Days whose landing files are gone, ISO.")


@dg.op
def clean_days_without_landing_files(
    context: dg.OpExecutionContext,
    config: ReplayConfig,
    lake: LakeResource,
    source: dg.ResourceParam[Source],
    quality: dg.ResourceParam[QualitySettings],
) -> None:
    """Judges events and quarantined rows of the days again, and publishes what is good now as any run does.

    A day that fails a blocking check stays as it is.
    """
    store, days = lake.open_for_writing(), [date.fromisoformat(day) for day in config.days]
    run = EventsRun(store, source, quality, lake.id_type, lake.rows_in_memory, lake.data_docs())
    told: dict[date, dict[str, Any]] = {partition_of(day): {} for day in days}

    def tell(partitions: Mapping[date, Mapping[str, Any]]) -> None:
        for first, metadata in partitions.items():
            told[first] |= metadata

    for result in run.publish_again(days, context.log.info, tell):
        checks = [result] if isinstance(result, dg.AssetCheckResult) else result.check_results
        for check in checks:
            context.instance.report_runless_asset_event(_evaluation(check))
    for first, metadata in told.items():
        metadata |= {"replayed": f"{len(days)} days from the tables, the landing files being gone"}
        context.log_event(dg.AssetMaterialization(EVENTS_TABLE, partition=first.isoformat(), metadata=metadata))


def _evaluation(result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    """What a check of `events` came to, told by a run that is none of the asset."""
    return dg.AssetCheckEvaluation(
        asset_key=dg.AssetKey(EVENTS_TABLE),
        check_name=result.check_name or "",
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
    )


@dg.job(description="Cleans days again whose landing files are gone, from what the tables kept of them.")
def replay() -> None:
    clean_days_without_landing_files()


class Variable(Enum):
    """The variable of the environment that holds the id; the name is all that gets on record."""

    GENREC_FORGET_USER = "GENREC_FORGET_USER"


class Named(dg.Config):
    """Whom: not by the id, which would stay in the record of the run for good."""

    env: Variable = Field(
        default=Variable.GENREC_FORGET_USER,
        description="Set it where the run is executed: `genrec forget` does, or start `genrec ui` with it.",
    )


class ForgetConfig(dg.Config):
    """Whom to forget. What is written here stays on record, so an id is refused at launch."""

    user: Named = Field(default=Named(), description="The variable that holds the id, never the id.")
    reason: str = Field(default="asked for by the person", description="Why; it is recorded, without the id.")


@dg.op
def forget_user(
    context: dg.OpExecutionContext,
    config: ForgetConfig,
    lake: LakeResource,
    source: dg.ResourceParam[Source],
    endpoint: dg.ResourceParam[EndpointSettings],
    ray: RayResource,
) -> None:
    """Takes the person out of the lake and the endpoint, proves it, and tells who keeps landing files."""
    store, person = lake.open_for_writing(), Person.named(_meant(config), lake.id_type)
    done = forget(store, person, config.reason)
    for event in _lineage(done, config.reason):
        context.log_event(event)
    context.log.info(_taken_out(done))
    context.log.info(_forgotten_by_endpoint(store, lake.profile, endpoint, ray.dashboard))
    proof = search(Path(store.root), person, [Path(lake.landing)])
    if proof.found:
        raise dg.Failure(still_named(store, proof), allow_retries=False)
    context.log.info(f"0 rows in {proof.files} files name the person")
    context.log.info(_landed(list(landed_rows(store, source, person))))


@dg.job(description="Forgets the user whose id is in the environment: everywhere, for good, and proves it.")
def forgetting() -> None:
    forget_user()


def _meant(config: ForgetConfig) -> str:
    """The id.

    Raises:
        dg.Failure: there is none.
    """
    name = config.user.env.value
    user = os.environ.get(name)
    if not user:
        raise dg.Failure(
            f"nobody is named: run `genrec forget USER`, or start `genrec ui` with {name} in its environment",
            allow_retries=False,
        )
    return user


def _taken_out(done: Forgetting) -> str:
    sets = f"{done.training_sets} training sets deleted"
    if done.training_sets:
        sets += (
            ": no version that was trained before can be evaluated again; materialize `training_set`, then "
            "`hstu_model` (of rankers `ranking_set`, then `ranker_model`) for one that can"
        )
    if not done.tables_named_them:
        return f"no table names that id: nothing was taken out, and later rows of it will be left out; {sets}"
    return f"taken out: {', '.join(f'{rows.rows} rows of {table}' for table, rows in done.tables.items())}; {sets}"


def still_named(lake: Lake, proof: Proof) -> str:
    """Which files name the person, and what to do: of a table no file may be deleted by hand."""
    tables = [Path(lake.uri(EVENTS_TABLE)).absolute().parent, Path(lake.root).absolute() / BUCKETS_FOLDER]
    of_tables = [path for path in proof.found if any(path.is_relative_to(folder) for folder in tables)]
    others = [path for path in proof.found if path not in of_tables]
    count = f"{len(proof.found)} of {proof.files} files still name the person"
    told = []
    if of_tables:
        told.append(
            f"{_first(of_tables)}, of a table, so leave it where it is: have the source name them no more there, "
            "materialize its days again, then forget again"
        )
    if others:
        told.append(f"{_first(others)}, of no table: take the person out of it, then forget again")
    return f"{count}: {'; '.join(told)}"


def _first(paths: Sequence[Path]) -> str:
    return ", ".join(map(str, paths[:5])) + (f" and {len(paths) - 5} more" if len(paths) > 5 else "")


def _lineage(done: Forgetting, reason: str) -> Sequence[dg.AssetMaterialization]:
    """What the assets show of it."""
    told: dict[str, Any] = {"forgotten_users": 1, "reason": reason}
    days = done.tables[EVENTS_TABLE].partitions
    events = [
        dg.AssetMaterialization(EVENTS_TABLE, partition=str(first), metadata={**told, "rows_removed": rows})
        for first, rows in (_by_partition(days).iter_rows() if days.height else ())
    ]
    if done.sequences_version is None:
        return events
    metadata = {**told, "rows_removed": sum(done.interactions.values()), "table_version": done.sequences_version}
    return [*events, dg.AssetMaterialization(SEQUENCES_TABLE, metadata=metadata)]


def _by_partition(days: pl.DataFrame) -> pl.DataFrame:
    return (
        days.with_columns(pl.col(DAY).cast(pl.String).str.to_date())
        .group_by(partition_column())
        .agg(pl.col("rows").sum())
        .sort(DAY)
    )


def _forgotten_by_endpoint(lake: Lake, profile: str, endpoint: EndpointSettings, dashboard: str) -> str:
    """Has a live endpoint reload the sequences; one that does not answer remembers nobody.

    Raises:
        dg.Failure: it goes on with the histories it has.
    """
    from assets.endpoint.rollout import deploy_champion

    if releases_of(lake).champion() is None:
        return "no version was ever promoted, so no endpoint knows anybody"
    try:
        with EndpointClient(endpoint.base_url, endpoint.client_timeout_s) as client:
            client.status()
    except EndpointError:
        return f"no endpoint answers at {endpoint.base_url}; the next one reads the new sequences"
    try:
        status = deploy_champion(lake, profile, endpoint, dashboard)
    except Exception as error:
        raise dg.Failure(
            f"the tables have forgotten the person, but the endpoint has not ({error}): materialize 'endpoint'",
            allow_retries=False,
        ) from error
    return f"the endpoint serves {status.version} with histories that do not know the person"


def _landed(rows: Sequence[tuple[str, int]]) -> str:
    """Where landing files name them, a line for each file."""
    if not rows:
        return "no landing file that is still there names the person"
    shown = [
        f"{file}: rows {', '.join(str(row) for _, row in of_file)}"
        for file, of_file in groupby(sorted(rows)[:LANDED_SHOWN], key=itemgetter(0))
    ]
    more = [f"and {len(rows) - LANDED_SHOWN} more"] if len(rows) > LANDED_SHOWN else []
    head = f"{len(rows)} rows of landing files, which belong to others, name the person (file: rows, counted from 0):"
    return "\n".join([head, *shown, *more])
