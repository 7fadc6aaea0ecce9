"""A lake that was written with other ids or by another contract is refused before anything is added to it."""

import shutil
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

from assets.compatibility import require_compatible
from assets.privacy.person import Person
from assets.privacy.remove_rows import remove_rows
from assets.resources import Storage
from assets.sequences.item_rows import extend_item_rows
from models.columns import DAY, ITEM_ID
from storage.lake import Lake
from storage.schema import CONTENT_TABLE, EVENTS_TABLE, LANDED_SCHEMA, TEXT_TABLE, IdType, content_schema, events_schema
from storage.sequence_store import ITEM_ROWS_TABLE
from storage.staged_files import Staging
from tests.assets.events.test_assets import FIRST, NEXT, land, log, run


def files(lake: Lake) -> set[Path]:
    return {path for path in Path(lake.root, "tables").rglob("*") if path.is_file()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One good day of a profile with whole numbers for ids."""
    land(tmp_path, "items", FIRST, [{"item_id": n, "title": f"thing {n}"} for n in range(2)])
    land(tmp_path, "events", FIRST, log(6))
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as instance:
        assert run(tmp_path, instance).success
    return tmp_path


def test_another_type_of_ids_is_refused_before_any_table_changes(folder: Path) -> None:
    store = Storage(root=str(folder / "lake"), id_type="int64")
    before = files(store.open_for_writing())
    land(folder, "items", NEXT, [{"item_id": "2", "title": "new"}])
    land(folder, "events", NEXT, log(6, day=1))
    sentence = (
        "table 'events' in .*/lake/tables/events holds user_id as int64, the rows to be written have it as string: "
        "write `id_type: int64` in the profile, or let `lake.root` name a new folder"
    )
    with pytest.raises(ValueError, match=sentence):
        Storage(root=store.root, id_type="string").open_for_writing()
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        done = run(folder, instance, last=NEXT, id_type="string")
        assert not done.success
        assert not done.asset_materializations_for_node("raw_events")
    assert files(store.open_for_writing()) == before


@pytest.mark.parametrize(("was", "now"), [("int64", "string"), ("string", "int64")])
@pytest.mark.parametrize("table", [TEXT_TABLE, CONTENT_TABLE, ITEM_ROWS_TABLE, EVENTS_TABLE])
def test_every_table_with_ids_tells(tmp_path: Path, table: str, was: IdType, now: IdType) -> None:
    lake = Lake(str(tmp_path))
    if table == ITEM_ROWS_TABLE:
        extend_item_rows(lake, pl.LazyFrame(schema=events_schema(was)))
    elif table == EVENTS_TABLE:
        lake.replace_days(table, pl.DataFrame(schema=events_schema(was)), [FIRST])
    else:
        lake.overwrite(table, pl.DataFrame(schema=content_schema(was)))
    require_compatible(lake, was)
    with pytest.raises(ValueError, match=f"table '{table}' .* as {was}, .* as {now}: write `id_type: {was}`"):
        require_compatible(lake, now)


def test_other_types_and_columns_are_refused_by_every_commit(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    frame = pl.DataFrame({"x": [1], "name": ["a"], DAY: [FIRST]})
    lake.replace_days("t", frame, [FIRST], {"name": "a"})
    lake.overwrite("u", frame)
    before = files(lake)
    with pytest.raises(ValueError, match=r"holds x as int64, the rows to be written have it as float64: .* remove"):
        lake.replace_days("t", frame.with_columns(x=pl.lit(0.5)), [FIRST], {"name": "a"})
    with pytest.raises(ValueError, match="holds x as int64, the rows to be written have it as string"):
        lake.append("u", frame.with_columns(x=pl.lit("1")), after=0)
    with pytest.raises(ValueError, match="is kept by name, day, the rows to be written by day"):
        lake.replace_days("t", frame, [FIRST])
    assert files(lake) == before


def test_a_contract_that_grew_is_refused(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    older = {name: dtype for name, dtype in LANDED_SCHEMA.items() if name != "bytes"}
    lake.replace_days("raw_events", pl.DataFrame(schema=older), [FIRST])
    with pytest.raises(ValueError, match=r"table 'raw_events' .* has the columns .* written by another version"):
        require_compatible(lake, "int64")


def test_tables_that_are_made_anew_may_change(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    lake.overwrite(TEXT_TABLE, pl.DataFrame({ITEM_ID: ["a"], "other": [1.0]}))
    require_compatible(lake, "string")


def test_a_lake_whose_hash_slot_has_its_former_name_is_read_and_written(folder: Path) -> None:
    """As a lake of an earlier version has it in `events`; a day that is added has the new name, all are read alike."""
    lake = Lake(str(folder / "lake"))
    now = lake.scan("events").collect()
    shutil.rmtree(Path(lake.uri("events")))
    lake.replace_days("events", now.rename({"hash_slot": "slot"}), [FIRST])
    require_compatible(lake, "int64")
    assert lake.scan("events").select(now.columns).collect().equals(now)
    land(folder, "items", NEXT, [{"item_id": 2}])
    land(folder, "events", NEXT, log(6, day=1))
    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        assert run(folder, instance, first=NEXT, last=NEXT).success
    both = lake.scan("events").select(now.columns).sort("day", "arrival").collect()
    assert both.filter(pl.col("day") == FIRST).equals(now.sort("arrival"))
    assert both["hash_slot"].null_count() == 0
    assert both.height == 12
    slots = both.filter(pl.col("user_id") == 3)["hash_slot"]
    assert slots[0] == slots[1]
    with Staging(lake) as staging:
        removed = remove_rows(lake, staging, "events", Person(3, "int64").rows()["events"])
    assert removed.rows == 2
    left = lake.scan("events").select(now.columns).sort("day", "arrival").collect()
    assert left.equals(both.filter(pl.col("user_id") != 3))
