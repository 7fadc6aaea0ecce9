from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from assets.sources.files import Files
from assets.sources.open_bandit import ACTIONS, OFFERED, OpenBanditSettings, open_bandit
from assets.sources.source import SourceError
from tests.assets.sources.validating import judged, read
from tests.real_data import DATA, needs

FOLDER = DATA / "open-bandit"

FIRST = date(2019, 11, 24)
DAYS = [FIRST + timedelta(days=n) for n in range(7)]

LOG = (
    ",timestamp,item_id,position,click,propensity_score,user_feature_0,user_feature_1,user_feature_2,user_feature_3,"
    "user-item_affinity_0,user-item_affinity_1\n"
)
ITEMS = ",item_id,item_feature_0,item_feature_1,item_feature_2,item_feature_3\n"


def _source(folder: Path, **settings: str) -> Files:
    return open_bandit(OpenBanditSettings(kind="open_bandit", path=str(folder), **settings), FIRST)


@pytest.fixture
def published(tmp_path: Path) -> Path:
    for policy, campaign in (("random", "men"), ("bts", "women")):
        folder = tmp_path / policy / campaign
        folder.mkdir(parents=True)
        (folder / f"{campaign}.csv").write_text(
            LOG
            + "0,2019-11-24 00:00:01.234567+00:00,1,3,0,0.03,ab,cd,ef,01,0.0,0.0\n"
            + "1,2019-11-24 00:00:02+00:00,0,1,1,0.03,ab,cd,ef,01,0.0,1.0\n"
            + "2,2019-11-24 00:00:02+00:00,0,1,1,0.03,ab,c\n"
        )
        (folder / "item_context.csv").write_text(ITEMS + "0,0,-0.5,x,y,z\n1,1,0.2,x,,z\n")
    return tmp_path


def test_impressions_and_clicks_share_a_request_and_carry_their_place(published: Path) -> None:
    rows = read(_source(published), "events", [FIRST])
    columns = ("item_id", "action", "surface", "request_id", "source_row")
    assert rows.filter(pl.col("surface").str.starts_with("random")).select(columns).rows() == [
        ("men/1", "impression", "random/men/3", "random/men/0", 0),
        ("men/0", "impression", "random/men/1", "random/men/1", 1),
        ("men/0", "click", "random/men/1", "random/men/1", 1),
    ]
    assert rows["surface"].drop_nulls().unique().sort().to_list() == [
        "bts/women/1",
        "bts/women/3",
        "random/men/1",
        "random/men/3",
    ]


def test_a_declared_propensity_stands_beside_both_events_of_an_impression(published: Path) -> None:
    settings = OpenBanditSettings(kind="open_bandit", path=str(published))
    rows = read(open_bandit(settings, FIRST, OFFERED), "events", [FIRST]).filter(pl.col("malformed").is_null())
    assert rows["propensity_score"].to_list() == ["0.03"] * len(rows)
    assert "propensity_score" not in read(_source(published), "events", [FIRST]).columns


def test_a_declared_propensity_that_a_log_lacks_is_named(published: Path) -> None:
    log = published / "random" / "men" / "men.csv"
    log.write_text(log.read_text().replace("propensity_score", "action_prob"))
    settings = OpenBanditSettings(kind="open_bandit", path=str(published))
    with pytest.raises(SourceError, match="propensity_score"):
        open_bandit(settings, FIRST, OFFERED).land("events", [FIRST])
    assert read(_source(published), "events", [FIRST]).height


def test_equal_features_stand_for_one_user(published: Path) -> None:
    rows = read(_source(published), "events", [FIRST]).filter(pl.col("malformed").is_null())
    assert rows["user_id"].n_unique() == 1
    changed = published / "bts" / "women" / "women.csv"
    changed.write_text(changed.read_text().replace("ab,cd,ef,01", "abc,d,ef,01"))
    rows = read(_source(published), "events", [FIRST]).filter(pl.col("malformed").is_null())
    assert rows["user_id"].n_unique() == 2


def test_only_the_broken_lines_are_rejected(published: Path, tmp_path: Path) -> None:
    accepted, reasons = judged(_source(published), [FIRST], ACTIONS, "string", tmp_path)
    assert (accepted.height, reasons) == (6, {"malformed": 2})


def test_items_are_those_of_each_campaign(published: Path) -> None:
    rows = read(_source(published, items="*/*/item_context.csv"), "items", [FIRST])
    assert rows.select("item_id", "categories").rows() == [
        ("women/0", ["item_feature_1=x", "item_feature_2=y", "item_feature_3=z"]),
        ("women/1", ["item_feature_1=x", "item_feature_3=z"]),
        ("men/0", ["item_feature_1=x", "item_feature_2=y", "item_feature_3=z"]),
        ("men/1", ["item_feature_1=x", "item_feature_3=z"]),
    ]


@needs(FOLDER)
def test_open_bandit_is_complete(tmp_path: Path) -> None:
    source = _source(FOLDER, log="impressions.parquet", items="items.parquet")
    counts = dict(read(source, "events", DAYS)["action"].value_counts().iter_rows())
    assert counts == {"impression": 40_000, "click": 207}
    accepted, reasons = judged(source, DAYS, ACTIONS, "string", tmp_path)
    assert set(reasons) <= {"duplicate"}
    assert accepted.height + reasons.total() == 40_207
    assert read(source, "items", DAYS).height == 80
