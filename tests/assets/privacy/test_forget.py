"""A person is forgotten on a real lake: gone from every file, while nothing of anybody else changes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.privacy.forget import forget, landed_rows
from assets.privacy.person import Person
from assets.privacy.proof import search
from assets.privacy.remove_from_sequences import without
from assets.privacy.suppressions import Forgotten, only, read_suppressions, suppress
from assets.sources.files import Files
from assets.sources.files_settings import FilesSettings
from assets.validation.corrections import read_corrections
from assets.validation.quarantine_selection import Selection
from assets.validation.replay import plan_replay
from models.columns import USER_ID
from models.declared import DeclaredColumn
from storage.interaction_columns import stored_columns
from storage.lake import Lake
from storage.schema import QUARANTINE_SCHEMA
from storage.sequence_ledger import read_ledger
from storage.sequence_store import FILE, BucketSequences
from tests.assets.events.test_assets import FIRST, NEXT, START, land, log, run
from tests.assets.sequences.test_build import contents, events, put, update

PERSON = Person("anna", "string")
REASON = "asked for"


def rows(users: Sequence[str], day: int = 0) -> pl.DataFrame:
    start = 86_400 * day
    return events(
        [
            (user, f"i{n % 3}", start + n, "click", None, "home", None, n)
            for n, user in enumerate([*users, *users, *users])
        ],
        day,
    )


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Three days of five users, the sequences of each, a training set, a sweep that was ended, and a page that names
    one of them."""
    lake = Lake(str(tmp_path / "lake"))
    users = ["anna", "bert", "cleo", "dora", "emil"]
    for day, there in enumerate((users, users[1:], users)):
        put(lake, rows(there, day), day)
        update(lake)
    for folder in (lake.folder("training_sets") / "v1", lake.folder("training_runs/scaling") / "s1"):
        folder.mkdir()
        np.save(folder / "histories.item_index.npy", np.arange(4))
    page = lake.folder("data_docs") / "events" / "2026-01-01.html"
    page.parent.mkdir()
    page.write_text("{'user_id': 'anna', 'item_id': 'i0'}")
    quarantine = [json.dumps({"user_id": user, "malformed": None}) for user in users]
    put_aside(lake, [*quarantine, json.dumps({"user_id": None, "malformed": "2026,anna,click"})])
    return lake


def put_aside(lake: Lake, quarantined: Sequence[str]) -> None:
    frame = pl.DataFrame({"row": quarantined}).select(
        pl.lit("events").alias("origin"),
        pl.lit(FIRST).alias("day"),
        pl.lit("null_key").alias("reason"),
        pl.lit("f").alias("source_file"),
        pl.int_range(pl.len()).alias("source_row"),
        "row",
        pl.lit("user_id").alias("at_fault"),
    )
    lake.replace_days("quarantine", frame.select(*QUARANTINE_SCHEMA), [FIRST], {"origin": "events"})


def others(lake: Lake, table: str) -> pl.DataFrame:
    return lake.scan(table).filter(pl.col(USER_ID) != PERSON.user).sort("day", maintain_order=True).collect()


def test_the_person_is_gone_from_every_file_and_nobody_else_is(lake: Lake) -> None:
    kept = others(lake, "events")
    sequences = lake.sequences().filter(pl.col(USER_ID) != "anna").collect()
    assert search(Path(lake.root), PERSON).found
    done = forget(lake, PERSON, REASON)
    proof = search(Path(lake.root), PERSON)
    assert (proof.files > 10, proof.found) == (True, [])
    assert others(lake, "events").equals(kept)
    assert lake.sequences().collect().equals(sequences)
    assert lake.scan("quarantine").collect().height == 4
    assert (done.tables["events"].rows, done.tables["quarantine"].rows) == (6, 2)
    assert (done.training_sets, done.pages) == (2, 1)
    assert not list(lake.folder("training_runs/scaling").iterdir())
    assert sum(done.interactions.values()) > 0


def test_what_is_left_has_the_bytes_that_making_it_anew_gives(lake: Lake) -> None:
    forget(lake, PERSON, REASON)
    ledger = read_ledger(lake)
    assert update(lake).equals(ledger)
    left = contents(lake)
    lake.overwrite("sequences", ledger.clear())
    rebuilt = update(lake)
    assert contents(lake) == left
    assert rebuilt.drop(FILE, "events_version").equals(ledger.drop(FILE, "events_version"))


def test_only_files_that_hold_the_person_are_written_again(lake: Lake) -> None:
    before = set(lake.files("events")["path"])
    forget(lake, PERSON, REASON)
    after = set(lake.files("events")["path"])
    assert len(before & after) == 1
    (untouched,) = before & after
    assert f"day={NEXT.replace(year=2026, month=1, day=2)}" in untouched


def test_earlier_versions_of_sequences_stay_readable_without_the_person(lake: Lake) -> None:
    versions = range(lake.version("sequences") + 1)
    before = [lake.sequences(version).filter(pl.col(USER_ID) != "anna").collect() for version in versions]
    forget(lake, PERSON, REASON)
    for version, rows_then in zip(versions, before, strict=True):
        assert lake.sequences(version).collect().equals(rows_then)


@pytest.mark.parametrize(
    "step", ["remove_rows", "remove_from_buckets", "carry_over", "_without_training_sets", "_without_pages"]
)
def test_a_killed_forgetting_is_finished_by_the_next(lake: Lake, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kept, sequences = others(lake, "events"), lake.sequences().filter(pl.col(USER_ID) != "anna").collect()
    with monkeypatch.context() as killed:
        killed.setattr(f"assets.privacy.forget.{step}", _dies)
        with pytest.raises(InterruptedError):
            forget(lake, PERSON, REASON)
    version = lake.version("sequences")
    forget(lake, PERSON, REASON)
    assert search(Path(lake.root), PERSON).found == []
    assert lake.version("sequences") > version
    assert read_suppressions(lake, "string").table.height == 1
    update(lake)
    assert others(lake, "events").equals(kept)
    assert lake.sequences().collect().equals(sequences)


def test_a_rerun_of_an_old_day_does_not_bring_the_person_back(tmp_path: Path) -> None:
    land(tmp_path, "items", FIRST, [{"item_id": 0}, {"item_id": 1}])
    logged = [*log(40), {"user_id": 7.0, "item_id": 1, "timestamp": START + 90, "action": "view"}]
    logged += [{"user_id": 7, "item_id": 1, "timestamp": START, "action": "zap"}]
    land(tmp_path, "events", FIRST, logged)
    file = tmp_path / "events" / f"{FIRST}.jsonl"
    file.write_text(file.read_text() + '{"user_id": 7, "item_id"\n{"user_id": 77, "item_id"\n')
    assert _cleaned(tmp_path)
    lake, person = Lake(str(tmp_path / "lake")), Person.named("7", "int64")
    assert plan_replay(lake, Selection(where={"user_id": "7", "action": "zap"}), {"user_id": "7", "action": "view"})
    forget(lake, person, REASON)
    assert search(tmp_path / "lake", person).found == []
    assert _cleaned(tmp_path)
    assert search(tmp_path / "lake", person).found == []
    assert lake.scan("events").collect().height == 39
    assert lake.scan("quarantine").collect()["source_row"].to_list() == [43]
    settings = {"kind": "files", "events": {"path": str(file)}, "items": {"path": f"{tmp_path}/items/*.jsonl"}}
    source = Files(FilesSettings.model_validate(settings), FIRST)
    assert sorted(landed_rows(lake, source, person)) == [(str(file), row) for row in (7, 40, 41, 42)]


@pytest.mark.parametrize("user", ["auth0|u7", "auth0|5f7c8ec7d1u7", "a b", "x:(7)=y;{z}", "é,ü", 'say "7"', "c:\\7"])
def test_an_id_of_any_characters_leaves_no_row_behind(tmp_path: Path, user: str) -> None:
    lake, person, other = Lake(str(tmp_path)), Person.named(user, "string"), f"{user}8"
    put(lake, rows([user, other]), 0)
    update(lake)

    def cut_off(text: str) -> str:
        return json.dumps({"user_id": None, "malformed": text}, ensure_ascii=False)

    theirs = [
        json.dumps({"user_id": user, "malformed": None}),
        json.dumps({"user_id": [user], "malformed": None}),
        cut_off(f"{user},i7"),
        cut_off(json.dumps({"user_id": user, "item_id": "i"})[:-4]),
    ]
    # An id that is nobody else's and nothing else names the person wherever it stands.
    long = [json.dumps({"user_id": "bert", "request_id": f"/{user}/", "malformed": None})] if len(user) >= 12 else []
    kept = [json.dumps({"user_id": other, "malformed": None}), cut_off(f"{other},i7"), cut_off("7,i7")]
    put_aside(lake, [*theirs, *long, *kept])
    assert search(tmp_path, person).found
    done = forget(lake, person, REASON)
    assert done.tables_named_them
    assert lake.scan("quarantine").collect()["row"].to_list() == kept
    assert search(tmp_path, person).found == []
    raw = pl.DataFrame({"malformed": [f"{user},i7", json.dumps({"user_id": user})[:-1], f"{other},i7"]})
    assert read_suppressions(lake, "string").without(raw)["malformed"].to_list() == [f"{other},i7"]
    assert not forget(lake, Person.named("K9999", "string"), REASON).tables_named_them


def test_corrections_that_name_the_person_go_too(tmp_path: Path) -> None:
    land(tmp_path, "items", FIRST, [{"item_id": 0}, {"item_id": 1}])
    land(tmp_path, "events", FIRST, [*log(40), {"user_id": None, "item_id": 1, "timestamp": START, "action": "view"}])
    assert _cleaned(tmp_path)
    lake = Lake(str(tmp_path / "lake"))
    plan_replay(lake, Selection(), {"user_id": "1234567890123"})
    assert _cleaned(tmp_path)
    person = Person.named("1234567890123", "int64")
    assert search(tmp_path / "lake", person).found
    done = forget(lake, person, REASON)
    assert done.tables["corrections"].rows == 1
    assert read_corrections(lake, "events", [FIRST]).cells.is_empty()
    assert search(tmp_path / "lake", person).found == []


@pytest.mark.parametrize(
    ("name", "content", "user", "found"),
    [
        ("a.json", b'{"user_id": 7}', 7, True),
        ("a.json", b'{"user_id": 70, "item_id": 7}', 7, False),
        ("a.log", b'{\\"user_id\\": \\"anna\\"}', "anna", True),
        ("a.log", b"anna was here", "anna", False),
        ("a.db", b"\0\0| 0f5e7c1ab944 |\0", "0f5e7c1ab944", True),
        ("a.npy", b"0f5e7c1ab9440", "0f5e7c1ab944", False),
        ("a.parquet", b'no table: user_id="anna"', "anna", True),
    ],
)
def test_every_kind_of_file_is_searched(
    tmp_path: Path, name: str, content: bytes, user: str | int, found: bool
) -> None:
    (tmp_path / name).write_bytes(content)
    proof = search(tmp_path, Person(user, "int64" if isinstance(user, int) else "string"))
    assert (proof.files, bool(proof.found)) == (1, found)
    assert search(tmp_path, PERSON, [tmp_path / name]).files == 0


def test_an_id_of_the_wrong_type_and_a_lake_that_cannot_be_searched_are_refused() -> None:
    for text in ("anna", "007", "1.0", ""):
        with pytest.raises(ValueError, match=f"{text!r} .* int64, write a whole number"):
            Person.named(text, "int64")
    with pytest.raises(ValueError, match=r"s3://somewhere/lake .*: forget on a machine"):
        forget(Lake("s3://somewhere/lake"), PERSON, REASON)


@given(st.lists(st.integers(-3, 3), max_size=30), st.integers(-3, 3))
def test_suppression_takes_out_the_rows_of_one_user_alone(users: list[int], user: int) -> None:
    for raw in (
        pl.DataFrame({USER_ID: users}, schema={USER_ID: pl.Int64}),
        pl.DataFrame({USER_ID: list(map(float, users))}, schema={USER_ID: pl.Float64}),
        pl.DataFrame({USER_ID: list(map(str, users))}, schema={USER_ID: pl.String}),
    ):
        left = only(user, "int64").without(raw)
        assert left.equals(raw.filter(pl.col(USER_ID).cast(pl.Float64) != user))


def test_what_is_on_record_does_not_tell_who(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    for user in ("anna", "bert", "anna"):
        suppress(lake, user, "string", REASON)
    forgotten: Forgotten = read_suppressions(lake, "string")
    assert forgotten.table.height == 2
    assert [forgotten.names(user) for user in ("anna", "bert", "cleo")] == [True, True, False]
    assert search(tmp_path, PERSON).found == []


@given(st.lists(st.integers(0, 4), min_size=1, max_size=6), st.data())
def test_a_bucket_without_a_user_holds_the_others_as_they_were(lengths: list[int], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(lengths) - 1))
    owners = np.repeat(np.arange(len(lengths)), lengths)
    bucket = _bucket([str(n) for n in range(len(lengths))], owners)
    left = without(bucket, place)
    expected = _bucket([str(n) for n in range(len(lengths)) if n != place], owners[owners != place])
    assert left.user_ids.equals(expected.user_ids)
    assert np.array_equal(left.offsets, expected.offsets)
    assert left.columns.keys() == bucket.columns.keys()
    for name, column in left.columns.items():
        assert np.array_equal(column, expected.columns[name])
        assert column.dtype == bucket.columns[name].dtype


def _bucket(users: list[str], owners: np.ndarray) -> BucketSequences:
    counts = [int((owners == int(user)).sum()) for user in users]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    declared = {"play_ms": DeclaredColumn(known="outcome", type="number")}
    columns = {column.name: owners.astype(column.dtype) for column in stored_columns(declared)}
    return BucketSequences(pl.Series(USER_ID, users, dtype=pl.String), offsets, columns)


def _cleaned(folder: Path) -> bool:
    import dagster as dg

    with dg.DagsterInstance.ephemeral(tempdir=str(folder)) as instance:
        return bool(run(folder, instance, quality={"max_rejected_share": 1.0}).success)


def _dies(*_: Any) -> None:
    raise InterruptedError("killed")
