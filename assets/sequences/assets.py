"""The `sequences` asset."""

import dagster as dg
import numpy as np
import polars as pl

from assets.data_version import data_version
from assets.events.assets import events
from assets.metadata import table_metadata
from assets.plots import bars
from assets.resources import NO_CONFIG, LakeResource, Storage
from assets.sequences.build import bring_up_to_date
from assets.sequences.requests import measure_requests, request_expectations
from assets.validation.checks import check_result, check_specs
from assets.validation.settings import QualitySettings
from assets.validation.validation import validate
from storage.lake import Lake
from storage.schema import EVENTS_TABLE
from storage.sequence_store import SEQUENCES_TABLE
from storage.staged_files import Staging


@dg.asset(
    deps=[events],
    group_name="sequences",
    kinds={"polars", "arrow", "delta"},
    owners=["team:data"],
    backfill_policy=dg.BackfillPolicy.single_run(),
    check_specs=check_specs(SEQUENCES_TABLE, request_expectations(QualitySettings())),
    config_schema=NO_CONFIG,
    description="Everything each user was shown and did, in time order, in buckets by a stable user hash. New days are "
    "folded in; users whose earlier days changed are rebuilt.",
)
def sequences(
    context: dg.AssetExecutionContext, lake: LakeResource, quality: dg.ResourceParam[QualitySettings]
) -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster wants it bare beside check_specs
    store = lake.open_for_writing()
    with lake.open_engine() as engine, Staging(store) as staging:
        ledger = bring_up_to_date(
            store,
            staging,
            engine,
            quality.actions,
            lake.id_type,
            quality.request_gap,
            quality.columns,
            rows_in_memory=lake.rows_in_memory,
            buckets=lake.user_buckets or None,
        )
    users, interactions = int(ledger["users"].sum()), int(ledger["interactions"].sum())
    context.log.info(f"sequences: {users} users, {interactions} interactions in {ledger.height} buckets")
    sample = store.sequences().head(8).with_columns(pl.col(pl.List).list.head(3)).collect()
    return dg.MaterializeResult(
        metadata=table_metadata(
            sample,
            users,
            users=users,
            interactions=interactions,
            buckets=ledger.height,
            longest=int(ledger["longest"].max() or 0),  # type: ignore[arg-type]
            data_end=str(max(store.days(EVENTS_TABLE), default="none")),
            table_version=store.version(SEQUENCES_TABLE),
            lengths=dg.MetadataValue.md(_lengths(ledger)),
        ),
        data_version=data_version(context, quality.actions, lake.id_type, quality.request_gap, quality.columns),
        check_results=_judged(lake, store, ledger, quality),
    )


def _judged(lake: Storage, store: Lake, ledger: pl.DataFrame, rules: QualitySettings) -> list[dg.AssetCheckResult]:
    measured = measure_requests(store, ledger, rules.request_gap)
    validation = validate(SEQUENCES_TABLE, {"versions": measured}, request_expectations(rules))
    lake.data_docs().write(SEQUENCES_TABLE, f"version {store.version(SEQUENCES_TABLE)}", validation.report)
    return [check_result(result) for result in validation.results]


def _lengths(ledger: pl.DataFrame) -> str:
    counts = np.sum(ledger["lengths"].to_list(), axis=0)
    last = int(np.flatnonzero(counts).max(initial=0)) + 1
    names = [f"{2**n}" if n == 0 else f"{2**n}-{2 ** (n + 1) - 1}" for n in range(last)]
    return bars(names, counts[:last].tolist(), "interactions per user", "users")
