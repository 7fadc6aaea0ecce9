from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from assets.sources.source import SourceError
from assets.sources.yambda import ACTIONS, Yambda, YambdaSettings
from tests.assets.sources.validating import judged, read
from tests.limited_memory import run_within

FIRST = date(2024, 1, 1)
SECOND = FIRST + timedelta(days=1)
ORIGIN = 1_704_067_200
DAY_SECONDS = 86_400

EVENTS = pl.DataFrame(
    {
        "uid": [1, 1, 1, 1, 2, 2],
        "timestamp": [0, 5, 5, DAY_SECONDS, 10, DAY_SECONDS + 5],
        "item_id": [70, 70, 71, 71, 70, 72],
        "is_organic": [1, 0, 0, 1, 0, 1],
        "event_type": ["listen", "like", "dislike", "undislike", "listen", "unlike"],
        "played_ratio_pct": [100, None, None, None, 159, None],
        "track_length_seconds": [180, None, None, None, 200, None],
    },
    schema={
        "uid": pl.UInt32,
        "timestamp": pl.UInt32,
        "item_id": pl.UInt32,
        "is_organic": pl.UInt8,
        "event_type": pl.Categorical,
        "played_ratio_pct": pl.UInt16,
        "track_length_seconds": pl.UInt32,
    },
)


def _source(folder: Path, **settings: Any) -> Yambda:
    return Yambda(YambdaSettings(kind="yambda", path=str(folder), **settings), FIRST)


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    EVENTS.write_parquet(tmp_path / "multi_event.parquet")
    return tmp_path


def _sequential(folder: Path) -> Path:
    folder.mkdir()
    EVENTS.group_by("uid", maintain_order=True).agg(pl.all()).write_parquet(folder / "multi_event.parquet")
    return folder


def test_kinds_become_actions_and_the_played_share_their_value(flat: Path) -> None:
    rows = read(_source(flat), "events", [FIRST, SECOND])
    assert rows.select("user_id", "item_id", "timestamp", "action", "value", "surface").rows() == [
        (1, 70, ORIGIN, "play", 1.0, "organic"),
        (1, 70, ORIGIN + 5, "like", None, "recommended"),
        (1, 71, ORIGIN + 5, "dislike", None, "recommended"),
        (1, 71, ORIGIN + DAY_SECONDS, "undislike", None, "organic"),
        (2, 70, ORIGIN + 10, "play", 1.59, "recommended"),
        (2, 72, ORIGIN + DAY_SECONDS + 5, "unlike", None, "organic"),
    ]
    assert read(_source(flat), "events", [SECOND])["source_row"].to_list() == [3, 5]


def test_a_listen_of_enough_of_the_track_is_one_of_its_own_kind(flat: Path) -> None:
    rows = read(_source(flat, listen_plus=1.5), "events", [FIRST, SECOND])
    assert rows["action"].to_list() == ["play", "like", "dislike", "undislike", "listen_plus", "unlike"]
    assert rows["value"].to_list() == [1.0, None, None, None, 1.59, None]


def test_both_layouts_hold_the_same_events(flat: Path, tmp_path: Path) -> None:
    folded = _source(_sequential(tmp_path / "sequential"))
    rows, same = (read(source, "events", [FIRST, SECOND]) for source in (folded, _source(flat)))
    assert rows.drop("source_file", "source_row").equals(same.drop("source_file", "source_row"))
    assert rows["source_row"].to_list() == [0, 0, 0, 0, 1, 1]
    assert read(folded, "items", [FIRST])["item_id"].to_list() == [70, 71, 72]


def test_all_events_are_good_and_an_unlike_is_no_dislike(flat: Path, tmp_path: Path) -> None:
    accepted, reasons = judged(_source(flat), [FIRST, SECOND], list(ACTIONS.values()), "int64", tmp_path)
    assert not reasons
    assert sorted(accepted["action"]) == ["dislike", "like", "play", "play", "undislike", "unlike"]


def test_files_of_one_kind_take_it_from_their_name(flat: Path) -> None:
    for kind in ("listen", "unlike"):
        one = EVENTS.filter(pl.col("event_type") == kind).drop("event_type")
        (one if kind == "listen" else one.drop("played_ratio_pct")).write_parquet(flat / f"{kind}s.parquet")
    rows = read(_source(flat, events="*s.parquet"), "events", [FIRST, SECOND])
    assert rows.select("action", "value").rows() == [("play", 1.0), ("play", 1.59), ("unlike", None)]
    (flat / "listens.parquet").rename(flat / "what.parquet")
    with pytest.raises(SourceError, match=r"what\.parquet has no column 'event_type' and its name says no kind"):
        read(_source(flat, events="what.parquet"), "events", [FIRST])


def test_times_count_from_the_origin_that_the_profile_names(flat: Path) -> None:
    assert read(_source(flat, origin=SECOND), "events", [SECOND])["source_row"].to_list() == [0, 1, 2, 4]


def test_items_are_those_that_events_name_once_on_the_first_day(flat: Path) -> None:
    rows = read(_source(flat), "items", [FIRST, SECOND])
    assert rows.select("item_id", "day", "source_row").rows() == [(70, FIRST, 0), (71, FIRST, 2), (72, FIRST, 5)]
    assert read(_source(flat), "items", [SECOND]).height == 0


def test_lists_that_differ_in_length_stop_with_the_file(tmp_path: Path) -> None:
    broken = pl.DataFrame({"uid": [1], "item_id": [[1, 2]], "timestamp": [[0]], "is_organic": [[1, 1]]})
    broken.write_parquet(tmp_path / "likes.parquet")
    with pytest.raises(SourceError, match=r"likes\.parquet is damaged after row"):
        read(_source(tmp_path, events="likes.parquet"), "events", [FIRST])


def test_users_with_long_histories_are_unfolded_in_bounded_memory(tmp_path: Path) -> None:
    # In memory all rows would be 240 MB, of which a process with Python and Polars in it has no room left.
    users, length = 10_000, 1_000
    table = pl.DataFrame({"uid": np.arange(users, dtype=np.uint32)}).with_columns(
        pl.lit([*range(length)], pl.List(pl.UInt32)).alias(name) for name in ("item_id", "timestamp", "is_organic")
    )
    table.write_parquet(tmp_path / "likes.parquet", row_group_size=500)
    run_within(240, "tests.assets.sources.test_yambda:read_in_batches", folder=str(tmp_path), rows=users * length)


def read_in_batches(folder: str, rows: int) -> None:
    """The rows of all users, batch by batch."""
    source = _source(Path(folder), events="likes.parquet")
    (raw,) = source.read("events", source.land("events", [FIRST]), [FIRST])
    assert sum(batch.height for batch in raw.collect_batches(chunk_size=50_000, engine="streaming")) == rows
