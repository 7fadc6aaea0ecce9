from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assets.sources.demo_world.dirt import FAULTS, with_dirt
from assets.sources.demo_world.landing import DayFolder
from assets.sources.demo_world.settings import DemoWorldSettings
from assets.sources.demo_world.source import DemoWorld
from assets.sources.demo_world.tastes import LIFE, tastes
from assets.sources.source import RawTable, SourceError

FIRST = date(2026, 1, 1)
SMALL = DemoWorldSettings(events=10_000, dirt=0)


def _days(first: int, last: int) -> list[date]:
    return [FIRST + timedelta(days=n) for n in range(first, last + 1)]


def _rows(world: DemoWorld, table: RawTable, days: Sequence[date]) -> pl.DataFrame:
    return pl.concat(world.read(table, world.land(table, days), days)).collect()


def _bytes(world: DemoWorld, table: RawTable, days: Sequence[date]) -> list[bytes]:
    return [Path(file.path).read_bytes() for file in world.land(table, days)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> DemoWorld:
    """The default world, without dirt."""
    return DemoWorld(DemoWorldSettings(dirt=0), str(tmp_path_factory.mktemp("landing")), FIRST)


@pytest.fixture(scope="module")
def log(world: DemoWorld) -> pl.DataFrame:
    return _rows(world, "events", _days(0, 13))


@pytest.fixture(scope="module")
def items(world: DemoWorld) -> pl.DataFrame:
    return _rows(world, "items", _days(0, 13))


@pytest.mark.parametrize("table", ["events", "items"])
def test_a_day_made_alone_equals_the_day_made_in_a_range(tmp_path: Path, table: RawTable) -> None:
    small = SMALL.model_copy(update={"users_per_file": 50, "dirt": 0.01})
    whole = DemoWorld(small, str(tmp_path / "whole"), FIRST)
    alone = DemoWorld(small, str(tmp_path / "alone"), FIRST)
    whole.land(table, _days(0, 35))
    for day in (_days(3, 3), _days(35, 35)):
        assert _bytes(alone, table, day) == _bytes(whole, table, day)


def test_landing_again_writes_only_what_is_missing_or_damaged(tmp_path: Path) -> None:
    world = DemoWorld(SMALL, str(tmp_path), FIRST)
    before = world.land("events", _days(0, 2))
    content = Path(before[1].path).read_bytes()
    Path(before[1].path).write_bytes(content[:1_000])
    (tmp_path / "events" / ".2026-01-01-999").mkdir()
    after = world.land("events", _days(0, 2))
    assert [after[0], after[2]] == [before[0], before[2]]
    assert Path(after[1].path).read_bytes() == content


def test_files_of_another_world_are_replaced(tmp_path: Path) -> None:
    DemoWorld(SMALL, str(tmp_path), FIRST).land("events", _days(0, 0))
    other = SMALL.model_copy(update={"seed": 8})
    there = _bytes(DemoWorld(other, str(tmp_path), FIRST), "events", _days(0, 0))
    assert there == _bytes(DemoWorld(other, str(tmp_path / "fresh"), FIRST), "events", _days(0, 0))


def test_an_unfinished_day_is_not_a_day(tmp_path: Path) -> None:
    folder = DayFolder(tmp_path / "2026-01-01", "mark")
    folder.write(0, pl.DataFrame({"a": [1]}))
    assert not folder.complete()
    folder.publish()
    assert folder.complete()
    assert [path.name for path in tmp_path.iterdir()] == ["2026-01-01"]


def test_the_world_has_no_day_before_its_first(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no day 2025-12-31: it begins on 2026-01-01"):
        DemoWorld(SMALL, str(tmp_path), FIRST).land("events", _days(-1, 0))


@pytest.mark.parametrize("events", [10_000, 250_000, 1_000_000])
def test_the_knob_gives_about_that_many_rows(tmp_path: Path, events: int) -> None:
    world = DemoWorld(DemoWorldSettings(events=events), str(tmp_path), FIRST)
    files = world.land("events", _days(0, 13))
    assert pl.concat(world.read("events", files, _days(0, 13))).select(pl.len()).collect().item() == pytest.approx(
        events, rel=0.15
    )


def test_every_impression_is_answered_once_within_its_request(log: pl.DataFrame) -> None:
    key = ["request_id", "user_id", "item_id"]
    actions = log.group_by(key).agg("action", "timestamp", pl.col("surface").n_unique())
    assert actions["surface"].max() == 1
    answered = actions.select(
        first=pl.col("action").list.first(),
        impressions=pl.col("action").list.count_matches("impression"),
        skips=pl.col("action").list.count_matches("skip"),
        clicks=pl.col("action").list.count_matches("click"),
        likes=pl.col("action").list.count_matches("like"),
        plays=pl.col("action").list.count_matches("play"),
        rising=pl.col("timestamp").list.eval(pl.element().diff().drop_nulls() > 0).list.all(),
    )
    assert (answered["first"] == "impression").all()
    assert answered["rising"].all()
    assert (answered["impressions"] == 1).all()
    assert (answered["skips"] + answered["clicks"] == 1).all()
    assert (answered["likes"] <= answered["clicks"]).all()
    assert (answered["plays"] <= answered["clicks"]).all()


def test_only_play_has_a_value_and_it_is_a_share(log: pl.DataFrame) -> None:
    plays = log.filter(pl.col("action") == "play")["value"]
    assert plays.null_count() == 0
    assert plays.is_between(0, 1).all()
    assert log.filter(pl.col("action") != "play")["value"].is_null().all()


def test_times_lie_in_their_day_and_rise_within_the_file(log: pl.DataFrame) -> None:
    moment = pl.from_epoch("timestamp", "ms")
    assert log.select((moment.dt.date() == pl.col("day")).all()).item()
    assert log.select((pl.col("timestamp").diff().over("source_file").drop_nulls() >= 0).all()).item()


def test_requests_show_a_handful_of_items_and_do_not_overlap(log: pl.DataFrame) -> None:
    shown = log.filter(pl.col("action") == "impression")
    sizes = shown.group_by("request_id").len()["len"]
    assert sizes.max() == 10
    assert sizes.is_between(5, 10).to_numpy().mean() > 0.99
    spans = log.group_by("user_id", "request_id").agg(start=pl.col("timestamp").min(), end=pl.col("timestamp").max())
    gaps = spans.sort("user_id", "start").select((pl.col("start") - pl.col("end").shift()).over("user_id")).to_series()
    assert gaps.drop_nulls().to_numpy().min() > 0


def test_a_clicked_item_is_shown_again_only_after_the_user_started_anew(world: DemoWorld, log: pl.DataFrame) -> None:
    clicks = log.filter(pl.col("action") == "click").select("user_id", "item_id", clicked="timestamp", first="day")
    shown = log.filter(pl.col("action") == "impression").join(clicks, on=["user_id", "item_id"])
    again = shown.filter(pl.col("timestamp") > pl.col("clicked"))
    offset = tastes(world.settings, 0).offset[again["user_id"] - 1]
    anew = pl.Series([FIRST + timedelta(days=int(-o % LIFE)) for o in offset], dtype=pl.Date)
    assert again.height > 0
    assert ((again["first"] < anew) & (anew <= again["day"])).all()


def test_only_items_of_the_catalogue_are_shown_and_none_before_it_is_available(
    log: pl.DataFrame, items: pl.DataFrame
) -> None:
    shown = log.join(items.select("item_id", "available_from"), on="item_id", how="left")
    assert shown["available_from"].null_count() == 0
    assert (shown["timestamp"] >= shown["available_from"].dt.timestamp("ms")).all()


def test_a_tenth_of_the_clicks_or_more_are_on_items_of_the_last_two_days(
    log: pl.DataFrame, items: pl.DataFrame
) -> None:
    clicks = log.filter((pl.col("action") == "click") & (pl.col("day") > FIRST + timedelta(days=1)))
    born = clicks.join(items.select("item_id", born="day"), on="item_id")
    cold = (born["day"] - born["born"]).dt.total_days() <= 1
    assert 0.10 <= cold.to_numpy().mean() <= 0.17


def test_the_catalogue_is_complete_and_grows_daily(world: DemoWorld, items: pl.DataFrame) -> None:
    per_day = items.group_by("day").len().sort("day")["len"].to_list()
    assert per_day == [world.settings.initial_items] + [world.settings.daily_items] * 13
    assert items["item_id"].is_unique().all()
    assert items["available_from"].dt.date().equals(items["day"])
    assert items["categories"].list.len().unique().to_list() == [3]
    for gap in ("image_bytes", "title", "description"):
        assert 0 < items[gap].null_count() < 0.03 * items.height
    assert items["description"].drop_nulls().is_unique().to_numpy().mean() > 0.8


def test_posters_are_small_pictures_that_differ(items: pl.DataFrame) -> None:
    posters = items["image_bytes"].drop_nulls()
    assert posters.is_unique().all()
    for encoded in posters.head(50):
        image = Image.open(BytesIO(encoded))
        assert (image.format, image.size, image.mode) == ("JPEG", (96, 96), "RGB")


def _nearest_share(vectors: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows whose nearest other row has the same label."""
    gaps = ((vectors[:, None] - vectors[None]) ** 2).sum(axis=2)
    np.fill_diagonal(gaps, np.inf)
    return float((labels[gaps.argmin(axis=1)] == labels).mean())


def test_topics_show_in_posters(items: pl.DataFrame) -> None:
    some = items.filter(pl.col("image_bytes").is_not_null()).head(400)
    pixels = np.stack(
        [np.asarray(Image.open(BytesIO(b)).resize((8, 8)), dtype=np.float32) for b in some["image_bytes"]]
    )
    topics = some["categories"].list.first().to_numpy()
    assert _nearest_share(pixels.reshape(len(pixels), -1), topics) > 0.6


def test_dirt_adds_every_fault_and_spoils_no_good_row(tmp_path: Path, log: pl.DataFrame) -> None:
    clean = log.drop("day", "source_file", "source_row", "malformed").head(30_000)
    dirty = with_dirt(clean, 0.01, np.random.default_rng(1))
    assert dirty.height == 30_300
    assert clean.join(dirty, on=clean.columns, how="anti", nulls_equal=True).height == 0
    added = dirty.height - clean.height
    late = datetime(2030, 1, 1, tzinfo=UTC).timestamp() * 1_000
    kinds = {
        "duplicate": dirty.height - dirty.n_unique(),
        "unknown action": dirty.filter(pl.col("action") == "hover").height,
        "null user": dirty["user_id"].null_count(),
        "seconds for milliseconds": dirty.filter(pl.col("timestamp") < 10_000_000_000).height,
        "unknown item": dirty.filter(pl.col("item_id") < 0).height,
        "future timestamp": dirty.filter(pl.col("timestamp") > late).height,
    }
    assert kinds == {name: added // len(FAULTS) for name, _ in FAULTS}


@given(height=st.integers(0, 200), share=st.floats(0, 0.5))
@settings(deadline=None, max_examples=30)
def test_dirt_is_counted_exactly(height: int, share: float) -> None:
    ids = pl.int_range(height, dtype=pl.Int64, eager=True)
    clean = pl.DataFrame({"user_id": ids, "item_id": ids, "timestamp": ids, "action": ids.cast(pl.String)})
    assert with_dirt(clean, share, np.random.default_rng(0)).height == height + round(share * height)
