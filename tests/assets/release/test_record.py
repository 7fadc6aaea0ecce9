from pathlib import Path

from assets.release.gate import Decision
from assets.release.record import record
from storage.releases import Releases


def promoted(version: str, refused: str | None = None, refusal: str = "") -> Decision:
    return Decision(
        promoted=version, reason=f"{version} is best", refused=refused, refusal=refusal, numbers={"ndcg@10": 0.5}
    )


def refused(version: str, refusal: str) -> Decision:
    return Decision(reason="a stays champion", refused=version, refusal=refusal)


def test_decisions_are_recorded_once(tmp_path: Path) -> None:
    releases = Releases(str(tmp_path / "releases"))
    for _ in range(2):
        record(releases, promoted("a"), releases.champion())
        record(releases, Decision(reason="a is the champion already."), "a")
    assert releases.champion() == "a"
    for _ in range(2):
        record(releases, refused("b", "does not beat a"), "a")
    record(releases, refused("b", "does not beat a by 0.1"), "a")
    log = releases.log()
    assert log["action"].to_list() == ["promote", "reject", "reject"]
    assert log["evaluation"][0] == '{"ndcg@10": 0.5}'
    assert releases.champion() == "a"


def test_a_night_may_promote_one_version_and_refuse_another(tmp_path: Path) -> None:
    releases = Releases(str(tmp_path / "releases"))
    releases.promote("old", "first")
    for champion in ("old", "knn"):
        record(releases, promoted("knn", "hstu", "knn is clearly better"), champion)
    rows = releases.log().select("action", "version", "previous", "reason").rows()
    assert rows[1:] == [
        ("reject", "hstu", "old", "knn is clearly better"),
        ("promote", "knn", "old", "knn is best"),
    ]
