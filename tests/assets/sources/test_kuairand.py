from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.sources.files import Files
from assets.sources.kuairand import ACTIONS, OFFERED, KuaiRandSettings, kuairand
from assets.sources.source import SourceError
from tests.assets.sources.validating import judged, read
from tests.real_data import DATA, needs

FOLDER = DATA / "kuairand-pure"

FIRST = date(2022, 4, 7)
NOON = 1_649_332_800_000
"""2022-04-07 12:00 UTC."""

LOG = (
    "user_id,video_id,date,hourmin,time_ms,is_click,is_like,is_follow,is_comment,is_forward,is_hate,long_view,"
    "play_time_ms,duration_ms,profile_stay_time,comment_stay_time,is_profile_enter,is_rand,tab\n"
)
VIDEOS = (
    "video_id,author_id,video_type,upload_dt,upload_type,visible_status,video_duration,server_width,server_height,"
    "music_id,music_type,tag\n"
)


def _source(folder: Path, **settings: str) -> Files:
    return kuairand(KuaiRandSettings(kind="kuairand", path=str(folder), **settings), FIRST)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    (tmp_path / "log_standard_4_08_to_4_21_27k_part1.csv").write_text(
        LOG
        + f"3,70,20220407,2000,{NOON},1,1,0,0,0,0,1,9000,6000,0,0,0,0,1\n"
        + f"3,71,20220407,2000,{NOON + 5},0,0,0,0,0,1,0,0,6000,0,0,0,0,4\n"
        + "4,72,2022\n"
        + f"4,72,20220407,2000,{NOON},2,0,0,0,0,0,0,500,0,0,0,0,0,1\n"
    )
    (tmp_path / "log_random_4_22_to_5_08_27k.csv").write_text(
        LOG + f"3,72,20220408,2000,{NOON + 86_400_000},0,0,1,1,1,0,0,1500,6000,0,0,0,1,0\n"
    )
    (tmp_path / "video_features_basic_27k.csv").write_text(
        VIDEOS
        + '70,9,NORMAL,2022-04-01,ShortImport,3,6000,720,1280,5,9,"12,7"\n'
        + "71,9,AD,2022-04-09,Web,3,6000,720,1280,,,\n"
    )
    return tmp_path


def test_an_impression_becomes_one_event_for_each_thing_that_happened(published: Path) -> None:
    rows = read(_source(published), "events", [FIRST])
    assert rows.filter(pl.col("user_id") == "3").select("item_id", "action", "value", "source_row").rows() == [
        ("70", "impression", None, 0),
        ("70", "click", None, 0),
        ("70", "like", None, 0),
        ("70", "long_view", None, 0),
        ("70", "play", 1.5, 0),
        ("71", "impression", None, 1),
        ("71", "dislike", None, 1),
    ]
    assert rows["request_id"].unique(maintain_order=True).to_list()[:2] == [f"3-70-{NOON}", f"3-71-{NOON + 5}"]
    assert rows["surface"].unique(maintain_order=True).to_list()[:2] == ["tab-1", "tab-4"]


def test_videos_shown_at_random_are_told_apart_and_may_be_left_out(published: Path) -> None:
    days = [FIRST, FIRST + timedelta(days=1)]
    random = read(_source(published), "events", [days[1]]).filter(pl.col("malformed").is_null())
    assert random.select("action", "value", "surface").rows() == [
        ("impression", None, "random-tab-0"),
        ("follow", None, "random-tab-0"),
        ("comment", None, "random-tab-0"),
        ("forward", None, "random-tab-0"),
        ("play", 0.25, "random-tab-0"),
    ]
    standard = read(_source(published, log="log_standard_*.csv"), "events", days)
    assert standard["day"].unique().to_list() == [FIRST]


def test_a_row_that_cannot_be_right_is_rejected_and_not_lost(published: Path, tmp_path: Path) -> None:
    accepted, reasons = judged(_source(published), [FIRST], ACTIONS, "int64", tmp_path)
    assert reasons == {"malformed": 1, "unknown_action": 1}
    assert accepted.filter(pl.col("user_id") == 4).select("action", "value").sort("action").rows() == [
        ("impression", None),
        ("play", None),
    ]


def test_videos_belong_to_the_day_of_their_upload_in_beijing(published: Path) -> None:
    days = [FIRST, FIRST + timedelta(days=1)]
    rows = read(_source(published), "items", days)
    assert rows.select("item_id", "categories", "day").rows() == [
        ("70", ["tag 12", "tag 7"], FIRST),
        ("71", None, FIRST + timedelta(days=1)),
    ]


def test_a_log_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "log_x.csv").write_text("user_id,video_id\n1,2\n")
    with pytest.raises(SourceError, match=r"log_x\.csv has no column 'time_ms'.*check that it is the published file"):
        _source(tmp_path).land("events", [FIRST])


@needs(FOLDER)
def test_kuairand_pure_is_complete(tmp_path: Path) -> None:
    source = _source(FOLDER, log="impressions.parquet", videos="videos.parquet")
    days = [date(2022, 4, 24) + timedelta(days=n) for n in range(15)]
    counts = dict(read(source, "events", days)["action"].value_counts().iter_rows())
    shown = pl.read_parquet(FOLDER / "impressions.parquet", glob=False)
    assert {action: counts[action] for action in ACTIONS[:-1]} == {
        "impression": 228_329,
        "click": 100_900,
        "like": 3_915,
        "follow": 304,
        "comment": 579,
        "forward": 195,
        "dislike": 190,
        "long_view": 70_963,
    }
    assert counts["play"] == (shown["play_time_ms"] > 0).sum()
    accepted, reasons = judged(source, days, ACTIONS, "int64", tmp_path)
    assert list(reasons) == ["duplicate"]
    assert (accepted["action"] == "impression").sum() == shown.unique(["user_id", "video_id", "time_ms"]).height
    assert accepted.height + reasons.total() == sum(counts.values())
    assert read(source, "items", [FIRST + timedelta(days=n) for n in range(32)]).height == 7_583


def test_declared_columns_stand_in_all_events_of_an_impression(published: Path) -> None:
    declared = {name: OFFERED[name] for name in ("tab", "play_time_ms")}
    source = kuairand(KuaiRandSettings(kind="kuairand", path=str(published)), FIRST, declared)
    rows = read(source, "events", [FIRST]).filter(pl.col("user_id") == "3")
    assert rows.select("item_id", "tab", "play_time_ms").unique(maintain_order=True).rows() == [
        ("70", "1", "9000"),
        ("71", "4", "0"),
    ]
    assert "tab" not in read(_source(published), "events", [FIRST]).columns
