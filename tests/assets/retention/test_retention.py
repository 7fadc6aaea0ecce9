"""Retention deletes what nothing names, and nothing else; compaction changes files, never rows."""

import json
import os
import time
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.retention.compact import compact
from assets.retention.live import live_versions
from assets.retention.settings import RetentionSettings
from assets.retention.vacuum import apply_retention
from assets.splits.split import SplitRule, split
from assets.versions import list_sets, releases_of
from models.actions import action_bits
from models.columns import DAY, USER_ID
from models.manifest import MANIFEST, Manifest
from storage.lake import Lake
from storage.sequence_ledger import read_ledger
from storage.sequence_store import BUCKETS_FOLDER, FILE
from storage.staged_files import Staging
from storage.user_interactions import concatenated
from tests.assets.privacy.test_forget import rows
from tests.assets.sequences.test_build import FIRST, START, contents, put, update
from tests.interaction_logs import InMemoryLog, case_lists, training_of

USERS = [f"u{n}" for n in range(20)]
AT_ONCE = RetentionSettings(keep_days=0, keep_versions=1, safety_hours=0)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path))
    put(lake, rows(USERS), 0)
    update(lake)
    return lake


def night(lake: Lake, day: int) -> None:
    """A new day, and yesterday again with other users, so that all sequences are rebuilt."""
    put(lake, pl.concat([rows(USERS[day:], day - 1), rows(USERS, day)]), day - 1, day)
    update(lake)


def train(lake: Lake, version: str, created: datetime | None = None) -> Manifest:
    """What training leaves: an artifact, its ablation, its training set and its run."""
    manifest = Manifest(
        version=version,
        family="hstu",
        created=created or datetime.now(UTC),
        cutoff=START + timedelta(days=1),
        data_end=START + timedelta(days=1),
        positive_actions=["click"],
        training_set=made_set(lake, f"set-of-{version}"),
        table_versions={table: lake.version(table) for table in ("events", "sequences")},
    )
    for name in ("artifacts/hstu", "ablations/hstu", "training_runs/artifacts"):
        folder = lake.folder(name) / version
        folder.mkdir()
        (folder / MANIFEST).write_text(manifest.model_dump_json())
    return manifest


def made_set(lake: Lake, name: str) -> str:
    """A training set of the tables as they are."""
    folder = lake.folder("training_sets") / name
    folder.mkdir()
    tables = {table: lake.version(table) for table in ("events", "sequences")}
    (folder / "record.json").write_text(json.dumps({"table_versions": tables}))
    return name


def inputs(lake: Lake, manifest: Manifest) -> tuple[list[bytes], pl.DataFrame, list[pl.DataFrame]]:
    """What evaluating a version reads: its bucket files, its events, and the split made of them."""
    version = manifest.table_versions["sequences"]
    files = read_ledger(lake, version)[FILE]
    log = lake.interactions(version)
    rule = SplitRule(manifest.cutoff, timedelta(days=1), action_bits(log.actions, manifest.positive_actions), 10)
    parts = split(log, rule)
    events = lake.scan("events", manifest.table_versions["events"]).collect().sort(pl.all())
    buckets = [(Path(lake.root) / BUCKETS_FOLDER / file).read_bytes() for file in files]
    whole = InMemoryLog(concatenated(list(log.parts())), log.item_ids())
    cases = [case_lists(whole, some) for some in (parts.time_cases, parts.leave_one_out_cases)]
    return buckets, events, [training_of(whole, parts), *cases]


def same(left: list[pl.DataFrame], right: list[pl.DataFrame]) -> bool:
    return all(a.sort(USER_ID).equals(b.sort(USER_ID)) for a, b in zip(left, right, strict=True))


def test_what_the_champion_was_made_from_stays_and_what_nothing_names_goes(lake: Lake) -> None:
    night(lake, 1)
    previous = train(lake, "v1")
    night(lake, 2)
    champion = train(lake, "v2")
    for version in ("v1", "v2"):
        releases_of(lake).promote(version, "better")
    before = [inputs(lake, manifest) for manifest in (previous, champion)]
    unnamed = lake.version("sequences") + 1
    for day in range(3, 6):
        night(lake, day)
        train(lake, f"v{day}")
    newest, ledger = contents(lake), read_ledger(lake)
    files_before = set(Path(lake.root).rglob("*.*"))
    deleted = apply_retention(lake, AT_ONCE)
    for manifest, (buckets, events, parts) in zip((previous, champion), before, strict=True):
        now = inputs(lake, manifest)
        assert (now[0], now[1].equals(events), same(now[2], parts)) == (buckets, True, True)
    assert contents(lake) == newest
    assert update(lake).equals(ledger)
    with pytest.raises(FileNotFoundError):
        lake.sequences(unnamed).collect()
    assert deleted.files["events"] > 0
    assert deleted.buckets > 0
    assert sorted(path.name for path in (Path(lake.root) / "artifacts" / "hstu").iterdir()) == ["v1", "v2", "v5"]
    assert list_sets(lake.folder("training_sets")) == ["set-of-v1", "set-of-v2", "set-of-v5"]
    assert (len(deleted.folders), len(deleted.training_sets)) == (6, 2)
    assert files_before > set(Path(lake.root).rglob("*.*")) - set(Path(lake.root).rglob("_delta_log/*"))
    again = apply_retention(lake, AT_ONCE)
    assert (again.files, again.buckets, again.folders) == ({}, 0, [])


def test_what_a_run_may_be_writing_stays_and_what_was_left_long_ago_goes(lake: Lake) -> None:
    night(lake, 1)
    folder = lake.folder("training_sets") / "being-made"
    folder.mkdir()
    day = Path(lake.uri("events")) / f"{DAY}={FIRST}"
    young = [Path(lake.root) / BUCKETS_FOLDER / "part-00000-new.arrow", day / "part-00000-new.parquet"]
    old = [Path(lake.root) / BUCKETS_FOLDER / "part-00000-old.arrow", day / "part-00000-old.parquet"]
    for path in young + old:
        path.write_bytes(b"x")
    long_ago = time.time() - 2 * 86_400
    for path in old:
        os.utime(path, (long_ago, long_ago))
    apply_retention(lake, RetentionSettings(keep_days=0, safety_hours=24))
    assert [path.exists() for path in young + old] == [True, True, False, False]
    assert folder.exists()
    lake.sequences(0).collect()
    apply_retention(lake, AT_ONCE)
    assert not any(path.exists() for path in young)
    assert not folder.exists()


def test_the_newest_training_set_stays_though_no_version_was_trained_on_it_yet(lake: Lake) -> None:
    train(lake, "v1")
    night(lake, 1)
    unused, newest = made_set(lake, "unused"), made_set(lake, "newest")
    night(lake, 2)
    night(lake, 3)
    deleted = apply_retention(lake, AT_ONCE)
    assert list_sets(lake.folder("training_sets")) == ["set-of-v1", newest]
    assert deleted.training_sets == [f"training_sets/{unused}"]
    made_of = json.loads((lake.folder("training_sets") / newest / "record.json").read_text())["table_versions"]
    assert lake.sequences(made_of["sequences"]).collect().height
    assert lake.scan("events", made_of["events"]).collect().height


def test_live_are_champions_in_reach_the_newest_and_the_young(lake: Lake) -> None:
    now = datetime.now(UTC)
    for age in range(9, 0, -1):
        train(lake, f"v{9 - age}", now - timedelta(days=age))
    releases = releases_of(lake)
    for version in ("v0", "v1", "v2"):
        releases.promote(version, "better")
        releases.served(version)
    releases.rollback("worse")
    kept = live_versions(lake, RetentionSettings(keep_days=2.5, keep_versions=1), now)
    assert [manifest.version for manifest in kept] == ["v0", "v1", "v7", "v8"]


@settings(max_examples=15)
@given(parts=st.lists(st.integers(1, 6), min_size=1, max_size=6), rows_per_file=st.integers(1, 60))
def test_compaction_keeps_the_rows_their_order_and_the_sequences(
    tmp_path_factory: pytest.TempPathFactory, parts: list[int], rows_per_file: int
) -> None:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    whole = rows(USERS)
    edges = [0, *(pl.Series(parts).cum_sum() * whole.height // sum(parts)).to_list()]
    cut = [whole[first:end] for first, end in pairwise(edges)]
    with Staging(lake) as staging:
        files = [staging.write("events", part, {DAY: FIRST.isoformat()}, n) for n, part in enumerate(cut)]
        lake.commit_days("events", files, whole, [FIRST])
    put(lake, rows(USERS, 1), 1)
    update(lake)
    before = contents(lake)
    joined = compact(lake, ["events", "sequences", "item_rows"], rows_per_file)
    now = lake.files("events").sort("path").filter(pl.col(f"partition.{DAY}") == FIRST)
    assert now["num_records"].sum() == whole.height
    assert all(a + b > rows_per_file for a, b in zip(now["num_records"], now["num_records"][1:], strict=False))
    assert ("events" in joined) == (now.height < len(parts))
    read = [pl.read_parquet(f"{lake.uri('events')}/{path}", hive_partitioning=False) for path in now["path"]]
    assert pl.concat(read)["arrival"].to_list() == whole["arrival"].to_list()
    ledger = read_ledger(lake)
    assert update(lake).equals(ledger)
    assert contents(lake) == before


def test_compaction_leaves_a_table_alone_that_another_writer_changes(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    night(lake, 1)
    with Staging(lake) as staging:
        halves = [rows(USERS)[:30], rows(USERS)[30:]]
        files = [staging.write("events", half, {DAY: FIRST.isoformat()}, n) for n, half in enumerate(halves)]
        lake.commit_days("events", files, rows(USERS), [FIRST])
    late = rows([*USERS, "late"], 1)

    def meanwhile(*_: object) -> int:
        put(lake, late, 1)
        return 0

    monkeypatch.setattr("assets.retention.compact.part_of", meanwhile)
    assert compact(lake, ["events"], 10**6) == {}
    assert lake.scan("events").filter(pl.col(USER_ID) == "late").collect().height == 3
    assert lake.scan("events").collect().height == late.height + 60


def test_logs_outlive_a_hundred_commits_of_long_ago(lake: Lake) -> None:
    """delta-rs would delete the log of all but the newest hundred, and a champion's version with it."""
    log = Path(lake.uri("events")) / "_delta_log"
    first = lake.scan("events", 0).collect()
    for path in log.iterdir():
        os.utime(path, (10**9, 10**9))
    for _ in range(205):
        put(lake, rows(USERS[:1], 1), 1)
        for path in log.iterdir():
            os.utime(path, (10**9, 10**9))
    assert lake.scan("events", 0).collect().equals(first)
