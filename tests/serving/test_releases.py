from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.releases import LOG_SCHEMA, ReleaseError, Releases, reign


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(str(tmp_path / "releases"))


def test_an_empty_log_has_no_champion(releases: Releases) -> None:
    assert releases.champion() is None
    assert releases.previous() is None
    assert releases.log().is_empty()
    assert releases.log().schema == LOG_SCHEMA
    with pytest.raises(ReleaseError, match="no version was ever promoted"):
        releases.rollback("nothing there")


def test_rollback_walks_back_and_a_promotion_starts_from_there(releases: Releases) -> None:
    releases.promote("A", "first")
    assert (releases.champion(), releases.previous()) == ("A", None)
    releases.promote("B", "better")
    assert (releases.champion(), releases.previous()) == ("B", "A")
    assert releases.rollback("worse online") == "A"
    assert (releases.champion(), releases.previous()) == ("A", None)
    with pytest.raises(ReleaseError, match="only A is left"):
        releases.rollback("again")
    releases.promote("C", "better still")
    assert (releases.champion(), releases.previous()) == ("C", "A")


def test_two_rollbacks_in_a_row_reach_the_first_of_three(releases: Releases) -> None:
    for version in "ABC":
        releases.promote(version, "better")
    assert [releases.rollback("x"), releases.rollback("y")] == ["B", "A"]
    assert (releases.champion(), releases.previous()) == ("A", None)


def test_the_log_tells_every_decision_with_its_reason(releases: Releases) -> None:
    releases.promote("A", "beats popularity", '{"ndcg@10": 0.1}')
    releases.reject("B", "not better")
    releases.promote("C", "better")
    releases.rollback("slow")
    rows = releases.log().drop("at").rows()
    assert rows == [
        ("promote", "A", None, "beats popularity", '{"ndcg@10": 0.1}'),
        ("reject", "B", "A", "not better", "{}"),
        ("promote", "C", "A", "better", "{}"),
        ("rollback", "A", "C", "slow", "{}"),
    ]
    assert releases.log()["at"].is_sorted()
    assert releases.log()["at"].is_unique().all()


def test_promoting_the_champion_again_records_nothing(releases: Releases) -> None:
    releases.promote("A", "first")
    releases.promote("A", "again")
    assert releases.log().height == 1


def test_a_version_needs_a_name(releases: Releases) -> None:
    with pytest.raises(ReleaseError, match="without a name"):
        releases.promote("", "oops")
    assert releases.log().is_empty()


def test_concurrent_writers_lose_no_decision(releases: Releases) -> None:
    names = [f"v{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: releases.reject(name, "concurrent"), names))
    assert sorted(releases.log()["version"]) == names


def test_the_same_rollback_by_two_processes_counts_once() -> None:
    log = [("promote", "A", None), ("promote", "B", "A"), ("promote", "C", "B")]
    twice = [("rollback", "B", "C")] * 2
    assert reign(log + twice) == ["A", "B"]


@given(st.lists(st.sampled_from(["A", "B", "C", "rollback"]), max_size=12))
def test_replaying_agrees_with_a_plain_stack(steps: list[str]) -> None:
    stack: list[str] = []
    log: list[tuple[str, str, str | None]] = []
    for step in steps:
        top = stack[-1] if stack else None
        if step == "rollback":
            if len(stack) > 1:
                log.append(("rollback", stack[-2], top))
                stack.pop()
        else:
            log.append(("promote", step, top))
            if step != top:
                stack.append(step)
    assert reign(log) == stack
