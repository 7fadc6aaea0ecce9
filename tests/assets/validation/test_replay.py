"""Quarantined rows replayed from real landing files: once, whatever happens in between, and for good."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.events.expectations import events_expectations
from assets.events.publish import EventsRun
from assets.resources import Storage
from assets.sources.settings import open_source
from assets.validation.corrections import CORRECTIONS_TABLE, Corrections, read_corrections, record_corrections
from assets.validation.publish import Published
from assets.validation.quarantine import replace_quarantine
from assets.validation.quarantine_selection import Selection, counted, samples, selected
from assets.validation.replay import plan_replay, still_there
from assets.validation.settings import QualitySettings
from storage.lake import Lake
from storage.schema import QUARANTINE_SCHEMA
from tests.assets.events.test_assets import FIRST, NEXT, START, land, log, run, table

CLIK = Selection(origin="events", reason="unknown_action", where={"action": "clik"})
WHOLE: dict[str, Any] = {"quality": {"max_rejected_share": 1.0}}
IDENTITY = ["user_id", "item_id", "timestamp", "action"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """40 good events and 3 of a misspelt action, one of which is there already; one that nothing mends."""
    land(tmp_path, "items", FIRST, [{"item_id": 0, "title": "zero"}, {"item_id": 1, "title": "one"}])
    rows = log(40)
    rows += [{"user_id": n, "item_id": 1, "timestamp": START + 100 + n, "action": "clik"} for n in (7, 8)]
    rows += [{"user_id": 3, "item_id": 1, "timestamp": START + 3, "action": "clik"}]
    rows += [{"user_id": None, "item_id": 1, "timestamp": START, "action": "view"}]
    land(tmp_path, "events", FIRST, rows)
    return tmp_path


@pytest.fixture
def instance(tmp_path: Path) -> Any:
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path)) as quick:
        yield quick


def events(folder: Path) -> pl.DataFrame:
    return table(folder, "events").sort("day", *IDENTITY)


def reasons(folder: Path) -> dict[str, int]:
    return dict(table(folder, "quarantine").group_by("reason").len().iter_rows())


def clean(folder: Path, instance: dg.DagsterInstance) -> None:
    assert run(folder, instance, **WHOLE).success


def clean_kept(folder: Path, days: list[date], **quality: Any) -> list[Published]:
    """What the job `replay` does."""
    rules = QualitySettings.model_validate(WHOLE["quality"] | quality)
    storage = Storage(root=str(folder / "lake"), id_type="int64")
    source = open_source({"kind": "files", "events": {"path": "e"}, "items": {"path": "i"}}, str(folder), FIRST)
    again = EventsRun(storage.open(), source, rules, "int64", 100_000, storage.data_docs())
    return list(again.publish_again(days, print, lambda told: None))


def test_what_was_put_aside_is_shown_with_its_place(folder: Path, instance: dg.DagsterInstance) -> None:
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    rows = counted(selected(lake, Selection()))
    assert rows.select("origin", "reason", "rows", "days").rows() == [
        ("events", "unknown_action", 3, 1),
        ("events", "null_key", 1, 1),
    ]
    shown = samples(selected(lake, CLIK), 2)
    file = folder / "events" / f"{FIRST}.jsonl"
    assert shown["place"].to_list() == [f"{file}:40", f"{file}:41"]
    assert '"clik"' in file.read_text().splitlines()[40]
    with pytest.raises(ValueError, match="no reason 'misspelt'"):
        Selection(reason="misspelt")


def test_a_fix_brings_rows_in_once_and_a_rerun_of_the_day_keeps_it(folder: Path, instance: dg.DagsterInstance) -> None:
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    plan = plan_replay(lake, CLIK, {"action": "view"})
    assert (plan.corrected, plan.landed, plan.kept) == (3, [("events", FIRST, FIRST)], [])
    clean(folder, instance)
    once = events(folder)
    assert once.height == 42
    assert once.select(IDENTITY).is_duplicated().sum() == 0
    assert still_there(lake, plan).rows() == [("duplicate", 1)]
    assert reasons(folder) == {"duplicate": 1, "null_key": 1}
    assert plan_replay(lake, CLIK, {"action": "view"}).rows.is_empty()
    clean(folder, instance)
    assert events(folder).equals(once)


def test_a_replay_killed_before_or_between_its_commits_is_finished_by_the_next(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    plan_replay(lake, CLIK, {"action": "view"})  # and killed before its day was cleaned
    again = plan_replay(lake, CLIK, {"action": "view"})
    assert (again.rows.height, again.corrected) == (3, 0)
    with monkeypatch.context() as killed:
        killed.setattr("assets.validation.publish.replace_quarantine", _dies_for_events)
        assert not run(folder, instance, **WHOLE).success
    assert events(folder).height == 42
    assert plan_replay(lake, CLIK, {"action": "view"}).landed == [("events", FIRST, FIRST)]
    clean(folder, instance)
    assert events(folder).height == 42
    assert reasons(folder) == {"duplicate": 1, "null_key": 1}


def test_rules_of_now_bring_rows_in_without_a_fix(folder: Path, instance: dg.DagsterInstance) -> None:
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    plan = plan_replay(lake, CLIK, {})
    assert run(folder, instance, quality=WHOLE["quality"] | {"actions": ["view", "clik"]}).success
    assert still_there(lake, plan).is_empty()
    assert not lake.exists(CORRECTIONS_TABLE)


def test_without_landing_files_what_the_tables_kept_is_cleaned(folder: Path, instance: dg.DagsterInstance) -> None:
    clean(folder, instance)
    (folder / "events" / f"{FIRST}.jsonl").unlink()
    lake = Lake(str(folder / "lake"))
    plan = plan_replay(lake, CLIK, {"action": "view"})
    assert (plan.landed, plan.kept) == ([], [FIRST])
    for _ in range(2):
        clean_kept(folder, [FIRST])
        assert events(folder).height == 42
        assert reasons(folder) == {"duplicate": 1, "null_key": 1}


def test_without_landing_files_a_kill_between_the_commits_counts_nothing_twice(
    folder: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean(folder, instance)
    (folder / "events" / f"{FIRST}.jsonl").unlink()
    plan_replay(Lake(str(folder / "lake")), CLIK, {"action": "view"})
    with monkeypatch.context() as killed:
        killed.setattr("assets.validation.publish.replace_quarantine", _dies_for_events)
        with pytest.raises(InterruptedError):
            clean_kept(folder, [FIRST])
    before = events(folder)
    clean_kept(folder, [FIRST])
    assert events(folder).equals(before)
    assert before.height == 42


def test_without_landing_files_a_day_passes_the_gate_of_any_run_or_stays_as_it_is(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    clean(folder, instance)
    (folder / "events" / f"{FIRST}.jsonl").unlink()
    plan_replay(Lake(str(folder / "lake")), CLIK, {"action": "view"})
    tables = ("events", "quarantine", "event_statistics")
    before = [table(folder, name) for name in tables]
    with pytest.raises(dg.Failure, match=r"not published.*rejected_share"):
        clean_kept(folder, [FIRST], max_rejected_share=0.01)
    assert all(table(folder, name).equals(there) for name, there in zip(tables, before, strict=True))
    (published,) = clean_kept(folder, [FIRST])
    assert isinstance(published, dg.MaterializeResult)
    assert {check.check_name for check in published.check_results if check.passed} >= {"rejected_share_in_range"}
    (statistics,) = table(folder, "event_statistics").iter_rows(named=True)
    assert (statistics["rows"], statistics["rejected"], statistics["duplicates"]) == (42, 2, 1)
    # The same as of a run that finds the files there.
    assert {check.check_name for check in published.check_results} == {
        expectation.name for expectation in events_expectations(QualitySettings())
    }


def test_a_cell_of_a_wrong_type_is_mended_like_any_other(folder: Path, instance: dg.DagsterInstance) -> None:
    land(
        folder, "events", FIRST, [*log(40), {"user_id": True, "item_id": 1, "timestamp": START + 99, "action": "view"}]
    )
    clean(folder, instance)
    clean_kept(folder, [FIRST])
    assert reasons(folder) == {"wrong_type": 1}
    assert plan_replay(Lake(str(folder / "lake")), Selection(where={"user_id": "true"}), {"user_id": "7"})
    clean(folder, instance)
    assert (events(folder).height, reasons(folder)) == (41, {})


def test_kept_rows_come_in_as_they_would_from_their_files(folder: Path, instance: dg.DagsterInstance) -> None:
    times = [datetime(FIRST.year, FIRST.month, FIRST.day, hour, tzinfo=UTC) for hour in range(4)]
    wanted = pl.DataFrame(
        {"user_id": [1.0, 2.0, 3.0, None], "item_id": [0, 1, 0, 1], "timestamp": times, "action": ["view", "clik"] * 2}
    )
    (folder / "events" / f"{FIRST}.jsonl").unlink()
    wanted.write_parquet(folder / "events" / f"{FIRST}.parquet")
    land(folder, "items", NEXT, [{"item_id": 2}])
    (folder / "items" / f"{FIRST}.jsonl").rename(folder / "items" / f"{FIRST}.parquet.jsonl")
    settings = {"actions": ["view"]} | WHOLE["quality"]
    names = "{day}.parquet*"
    assert run(folder, instance, quality=settings, names=names).success
    assert events(folder).height == 2
    lake = Lake(str(folder / "lake"))
    plan_replay(lake, CLIK, {"action": "view", "user_id": "9"})
    assert run(folder, instance, quality=settings, names=names).success
    from_files = events(folder)
    assert from_files["user_id"].to_list() == [1, 3, 9]
    lake.delta("events").restore(0)
    lake.delta("quarantine").restore(1)
    assert reasons(folder) == {"unknown_action": 1, "null_key": 1}
    clean_kept(folder, [FIRST], actions=["view"])
    assert events(folder).drop("arrival").equals(from_files.drop("arrival"))


def test_a_file_that_says_something_else_now_is_not_corrected(folder: Path, instance: dg.DagsterInstance) -> None:
    clean(folder, instance)
    plan_replay(Lake(str(folder / "lake")), CLIK, {"action": "view"})
    land(folder, "events", FIRST, [row | {"action": "zap"} for row in log(44)])
    run(folder, instance, **WHOLE)
    assert reasons(folder) == {"unknown_action": 44}


def test_a_second_thought_replaces_the_first_and_undoing_is_a_correction(
    folder: Path, instance: dg.DagsterInstance
) -> None:
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    plan_replay(lake, CLIK, {"action": "zap"})
    clean(folder, instance)
    assert counted(selected(lake, CLIK)).is_empty()
    zapped = Selection(reason="unknown_action", where={"action": "zap"})
    assert plan_replay(lake, zapped, {"action": "clik"}).corrected == 3
    clean(folder, instance)
    assert plan_replay(lake, CLIK, {"action": "view"}).corrected == 3
    clean(folder, instance)
    assert events(folder).height == 42


def test_a_row_that_could_not_be_parsed_is_written_out_by_hand(folder: Path, instance: dg.DagsterInstance) -> None:
    file = folder / "events" / f"{FIRST}.jsonl"
    line = '{"user_id": 5, "item_id"'
    file.write_text(file.read_text() + line + "\n")
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    written = {"malformed": None, "user_id": "5", "item_id": "1", "timestamp": str(START + 999), "action": "view"}
    plan = plan_replay(lake, Selection(reason="malformed", where={"malformed": line}), written)
    assert (plan.rows.height, plan.corrected) == (1, 5)
    clean(folder, instance)
    assert still_there(lake, plan).is_empty()
    assert events(folder).filter(pl.col("timestamp").dt.epoch("ms") == START + 999)["user_id"].to_list() == [5]


def test_items_are_replayed_from_their_landing_files(folder: Path, instance: dg.DagsterInstance) -> None:
    land(folder, "items", FIRST, [{"item_id": 0}, {"item_id": 1}, {"item_id": "two", "title": "two"}])
    clean(folder, instance)
    lake = Lake(str(folder / "lake"))
    plan = plan_replay(lake, Selection(origin="items"), {"item_id": "2"})
    assert plan.landed == [("items", FIRST, FIRST)]
    clean(folder, instance)
    assert table(folder, "items")["item_id"].sort().to_list() == [0, 1, 2]
    with pytest.raises(ValueError, match="'day' of events cannot be set"):
        record_corrections(lake, "events", pl.DataFrame(schema=QUARANTINE_SCHEMA), {"day": "2026-01-01"})


def test_rows_that_share_a_place_are_all_corrected_and_one_of_two_days_is_enough(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    put_aside = pl.DataFrame(
        [
            ("events", NEXT, "unknown_action", "f", 0, '{"action": "clik"}', "action"),
            ("events", FIRST, "unknown_action", "f", 0, '{"action": "clik"}', "action"),
            ("events", FIRST, "unknown_action", "f", 0, '{"action": "vew"}', "action"),
            ("events", FIRST, "unknown_action", "f", 0, '{"action": "clik"}', "action"),
        ],
        schema=QUARANTINE_SCHEMA,
        orient="row",
    )
    assert record_corrections(lake, "events", put_aside, {"action": "view"}) == 2
    assert record_corrections(lake, "events", put_aside, {"action": "view"}) == 0
    assert record_corrections(lake, "events", put_aside.head(1), {"action": "play"}) == 0
    assert read_corrections(lake, "events", [NEXT]).cells.is_empty()
    rows = pl.DataFrame({"action": ["clik", "vew", "zap"], "day": FIRST, "source_file": "f", "source_row": 0})
    corrected = read_corrections(lake, "events", [FIRST]).applied(rows)
    assert corrected["action"].to_list() == ["view", "view", "zap"]


def cells(*rows: tuple[int, str, str | None, str | None, int]) -> Corrections:
    schema = {"source_row": pl.Int64, "column": pl.String, "was": pl.String, "value": pl.String, "step": pl.Int64}
    frame = pl.DataFrame(list(rows), schema=schema, orient="row")
    return Corrections(frame.with_columns(pl.lit(FIRST).alias("day"), pl.lit("f").alias("source_file")))


def raw(**columns: Any) -> pl.DataFrame:
    frame = pl.DataFrame(columns)
    return frame.with_columns(
        pl.lit(FIRST).alias("day"), pl.lit("f").alias("source_file"), pl.Series("source_row", range(frame.height))
    )


def test_a_correction_fits_itself_to_the_type_of_the_raw_column() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    rows = raw(number=[1, 2], share=[0.5, None], time=[moment, None], text=["a", None])
    fixed = cells(
        (0, "number", "1", "7", 0),
        (1, "number", "2", "many", 0),
        (0, "share", "0.5", None, 0),
        (1, "share", None, "1.5", 0),
        (1, "time", None, "2026-02-03T04:05:06Z", 0),
        (1, "text", None, "b", 0),
        (0, "text", "other", "b", 0),
    ).applied(rows)
    assert fixed.schema == rows.schema
    assert fixed["number"].to_list() == [7, 2]
    assert fixed["share"].to_list() == [None, 1.5]
    assert fixed["time"].to_list() == [moment, datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)]
    assert fixed["text"].to_list() == ["a", "b"]


@given(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=6), st.dictionaries(st.integers(0, 5), st.sampled_from("xyz"))
)
def test_corrections_change_the_cells_they_name_and_no_other(texts: list[str], fixes: dict[int, str]) -> None:
    corrections = cells(*((n, "text", "a", value, 0) for n, value in fixes.items()))
    fixed = corrections.applied(raw(text=texts))
    expected = [fixes.get(n, text) if text == "a" else text for n, text in enumerate(texts)]
    assert fixed["text"].to_list() == expected
    assert fixed.drop("text").equals(raw(text=texts).drop("text"))


def _dies_for_events(lake: Lake, origin: str, *more: Any) -> int:
    if origin == "events":
        raise InterruptedError("killed")
    return replace_quarantine(lake, origin, *more)
