"""Whose versions a lake finds, and which of them is champion, across families and after an upgrade."""

from dataclasses import replace
from pathlib import Path

import pytest

from assets.evaluation.assets import _champion
from assets.retention.live import live_versions
from assets.retention.settings import RetentionSettings
from assets.versions import (
    VersionMissing,
    artifact_of,
    newest_champion_of_family,
    newest_manifest,
    releases_of,
    versions_of,
)
from models.config.model import ModelConfig, SasrecConfig
from storage.lake import Lake
from storage.releases import Releases
from tests.assets.evaluation.worlds import CUTOFF, write_version, write_world

SASREC = ModelConfig(width=8, max_length=8, backbone=SasrecConfig())


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """Two families with a version each."""
    lake = Lake(str(tmp_path))
    write_world(lake)
    write_version(lake, "old", seed=1)
    write_version(lake, "new", seed=2, shape=SASREC)
    return lake


def test_a_version_is_found_by_its_name_whatever_its_family(lake: Lake) -> None:
    root = Path(lake.root) / "artifacts"
    assert versions_of(lake) == {"old": root / "hstu" / "old", "new": root / "sasrec" / "new"}
    assert versions_of(replace(lake, family="sasrec")) == versions_of(lake)
    assert artifact_of(lake, "new") == root / "sasrec" / "new"
    assert newest_manifest(lake).version == "old"
    (root / "hstu_dlrm_v3" / "ranker").mkdir(parents=True)
    with pytest.raises(VersionMissing, match=r"version ranker is not in .*artifacts, where hstu, sasrec has versions"):
        artifact_of(lake, "ranker")


def test_there_is_one_champion_whatever_family_a_profile_trains(lake: Lake) -> None:
    other = replace(lake, family="sasrec")
    for version, seen_by in (("old", lake), ("new", other)):
        releases_of(seen_by).promote(version, "better")
        releases_of(seen_by).served(version)
    assert releases_of(lake).champion() == releases_of(other).champion() == "new"
    assert (newest_champion_of_family(lake), newest_champion_of_family(other)) == ("old", "new")
    assert _champion(lake) == Path(lake.root) / "artifacts" / "sasrec" / "new"
    at_once = RetentionSettings(keep_days=0, keep_versions=1)
    write_version(lake, "newest", seed=3)
    assert [manifest.version for manifest in live_versions(lake, at_once, CUTOFF.replace(year=2030))] == [
        "old",
        "new",
        "newest",
    ]
    assert releases_of(lake).rollback("worse") == "old"
    assert releases_of(other).champion() == "old"


def test_the_champion_of_a_log_of_one_family_goes_on_in_the_log_of_all(lake: Lake) -> None:
    former = Releases(lake.uri("releases_hstu"))
    former.promote("old", "better")
    former.served("old")
    before = former.log()
    Releases(lake.uri("releases_sasrec")).promote("new", "decided last, so the endpoint serves it")
    assert releases_of(lake).champion() == "new"
    Releases(lake.uri("releases_hstu")).reject("other", "a later decision")
    log = releases_of(lake)
    assert (log.champion(), log.log().height) == ("old", before.height + 1)
    assert not lake.exists("release_log")
    log.promote("new", "beats old", against="old")
    assert former.log().height == before.height + 1
    assert releases_of(lake).log()["action"].to_list() == ["promote", "serve", "reject", "promote"]
    assert (releases_of(lake).champion(), releases_of(lake).previous()) == ("new", "old")
    former.promote("older", "by earlier code, which nobody asks any more", against="old")
    assert releases_of(lake).champion() == "new"
