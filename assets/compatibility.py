"""What earlier code left in a lake: tables of other ids or of another contract, and where it kept its decisions."""

import polars as pl

from assets.validation.corrections import CORRECTIONS_SCHEMA, CORRECTIONS_TABLE
from assets.validation.statistics import EVENT_STATISTICS_SCHEMA, EVENT_STATISTICS_TABLE
from models.columns import ITEM_ID, ROW
from models.families.registry import FAMILIES
from storage.lake import Lake, TableMissing
from storage.releases import Releases
from storage.schema import (
    CONTENT_TABLE,
    EVENTS_TABLE,
    ID_DTYPES,
    ITEMS_TABLE,
    LANDED_SCHEMA,
    MODALITIES,
    QUARANTINE_SCHEMA,
    QUARANTINE_TABLE,
    RAW_EVENTS_TABLE,
    RAW_ITEMS_TABLE,
    SUPPRESSIONS_SCHEMA,
    SUPPRESSIONS_TABLE,
    IdType,
    Schema,
    events_schema,
    items_schema,
    require_same,
)
from storage.sequence_store import ITEM_ROWS_TABLE

REMADE = (*MODALITIES.values(), CONTENT_TABLE)
"""Tables of which a run replaces all rows, and so may change all but the type of the ids."""


def require_compatible(lake: Lake, id_type: IdType) -> None:
    """Compares every table that a run adds to with the contract.

    A run writes several tables, one commit each; so all are judged before the first.

    Raises:
        ValueError: a table has other columns or types; the sentence says which, and what to do.
    """
    for table, wanted in _contract(id_type).items():
        try:
            there = lake.scan(table).collect_schema()
        except TableMissing:
            continue
        require_same(lake.uri(table), {name: there[name] for name in wanted} if table in REMADE else there, wanted)


def former_release_log(lake: Lake) -> str:
    """The release log that a lake's log goes on from; empty where there is none.

    For some days in November 2026 each family of models had a log of its own, and the endpoint served the champion of
    one of them: of that which decided last.
    """
    logs = [Releases(lake.uri(f"releases_{family}"), lake.storage_options) for family in FAMILIES]
    last = {log.uri: decided for log in logs if (decided := log.log()["at"].max()) is not None}
    return max(last, key=lambda uri: str(last[uri]), default="")


def _contract(id_type: IdType) -> dict[str, Schema]:
    return {
        RAW_EVENTS_TABLE: LANDED_SCHEMA,
        RAW_ITEMS_TABLE: LANDED_SCHEMA,
        EVENTS_TABLE: events_schema(id_type),
        ITEMS_TABLE: items_schema(id_type),
        QUARANTINE_TABLE: QUARANTINE_SCHEMA,
        CORRECTIONS_TABLE: CORRECTIONS_SCHEMA,
        EVENT_STATISTICS_TABLE: EVENT_STATISTICS_SCHEMA,
        SUPPRESSIONS_TABLE: SUPPRESSIONS_SCHEMA,
        ITEM_ROWS_TABLE: {ITEM_ID: ID_DTYPES[id_type], ROW: pl.Int32()},
    } | {table: {ITEM_ID: ID_DTYPES[id_type]} for table in REMADE}
