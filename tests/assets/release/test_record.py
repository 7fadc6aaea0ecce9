from pathlib import Path

from assets.release.gate import Decision
from assets.release.record import record
from storage.releases import Releases


def decided(version: str, promote: bool, reason: str) -> Decision:
    return Decision(version=version, promote=promote, reason=reason, numbers={"ndcg@10": 0.5})


def test_decisions_are_recorded_once(tmp_path: Path) -> None:
    releases = Releases(str(tmp_path / "releases"))
    for _ in range(2):
        record(releases, decided("a", True, "beats popularity"), releases.champion())
        record(releases, decided("a", False, "a is the champion already."), "a")
    assert releases.champion() == "a"
    for _ in range(2):
        record(releases, decided("b", False, "does not beat a"), "a")
    record(releases, decided("b", False, "does not beat a by 0.1"), "a")
    log = releases.log()
    assert log["action"].to_list() == ["promote", "reject", "reject"]
    assert log["evaluation"][0] == '{"ndcg@10": 0.5}'
    assert releases.champion() == "a"
