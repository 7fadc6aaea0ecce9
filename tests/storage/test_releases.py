from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.releases import LOG_SCHEMA, ReleaseError, Releases, standing


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    return Releases(str(tmp_path / "releases"))


def promote_and_serve(releases: Releases, *versions: str) -> None:
    for version in versions:
        releases.promote(version, "better")
        releases.served(version)


def test_an_empty_log_has_no_champion(releases: Releases) -> None:
    assert releases.champion() is None
    assert releases.previous() is None
    assert releases.log().is_empty()
    assert releases.log().schema == LOG_SCHEMA
    with pytest.raises(ReleaseError, match="no version was ever promoted"):
        releases.rollback("nothing there")


def test_rollback_walks_back_and_a_promotion_starts_from_there(releases: Releases) -> None:
    promote_and_serve(releases, "A")
    assert (releases.champion(), releases.previous()) == ("A", None)
    promote_and_serve(releases, "B")
    assert (releases.champion(), releases.previous()) == ("B", "A")
    assert releases.rollback("worse online") == "A"
    assert (releases.champion(), releases.previous()) == ("A", None)
    with pytest.raises(ReleaseError, match="only A is left"):
        releases.rollback("again")
    releases.promote("C", "better still")
    assert (releases.champion(), releases.previous()) == ("C", "A")


def test_two_rollbacks_in_a_row_reach_the_first_of_three(releases: Releases) -> None:
    promote_and_serve(releases, *"ABC")
    assert [releases.rollback("x"), releases.rollback("y")] == ["B", "A"]
    assert (releases.champion(), releases.previous()) == ("A", None)


def test_the_log_tells_every_decision_with_its_reason(releases: Releases) -> None:
    releases.promote("A", "beats popularity", '{"ndcg@10": 0.1}')
    for _ in range(2):
        releases.served("A")
    releases.reject("B", "not better")
    releases.promote("C", "better")
    releases.rollback("slow")
    rows = releases.log().drop("at").rows()
    assert rows == [
        ("promote", "A", None, "beats popularity", '{"ndcg@10": 0.1}'),
        ("serve", "A", "A", "it was loaded, tried and answers requests", "{}"),
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
    with pytest.raises(ReleaseError, match=r"cannot promote .*: name a folder of the artifacts"):
        releases.promote("", "oops")
    assert releases.log().is_empty()


def test_concurrent_writers_lose_no_decision(releases: Releases) -> None:
    names = [f"v{i}" for i in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: releases.reject(name, "concurrent"), names))
    assert sorted(releases.log()["version"]) == names


def test_the_same_rollback_by_two_processes_counts_once() -> None:
    log: list[tuple[str, str, str | None]] = [("promote", "A", None), ("promote", "B", "A"), ("promote", "C", "B")]
    twice: list[tuple[str, str, str | None]] = [("rollback", "B", "C")] * 2
    assert standing(log + twice).champion_history == ("A", "B")


def test_a_rollback_passes_over_what_never_answered(releases: Releases) -> None:
    promote_and_serve(releases, "A")
    releases.promote("B", "better, but its deployment never came through")
    promote_and_serve(releases, "C")
    assert releases.rollback("worse online") == "A"
    assert releases.standing().champion_history == ("A",)
    releases.promote("D", "not deployed yet")
    assert releases.rollback("on second thoughts") == "A"


def test_without_an_earlier_one_that_answered_there_is_no_way_back(releases: Releases) -> None:
    releases.promote("A", "never deployed")
    promote_and_serve(releases, "B")
    with pytest.raises(ReleaseError, match="none of those before B ever answered"):
        releases.rollback("worse")
    assert releases.champion() == "B"


def test_a_version_that_does_not_load_is_champion_no_more_unless_it_has_served(releases: Releases) -> None:
    promote_and_serve(releases, "A")
    releases.promote("B", "better")
    assert releases.failed("B", "a weight is missing")
    assert (releases.champion(), releases.previous()) == ("A", None)
    assert not releases.failed("A", "the tables cannot be read")
    assert not releases.failed("B", "once more")
    assert releases.champion() == "A"
    assert releases.log()["action"].to_list() == ["promote", "serve", "promote", "fail"]


def test_a_decision_against_a_champion_that_was_rolled_back_meanwhile_counts_for_nothing(releases: Releases) -> None:
    promote_and_serve(releases, "A", "B")
    releases.rollback("worse online")
    releases.promote("C", "beats B", against="B")
    assert releases.champion() == "A"
    releases.promote("D", "beats A", against="A")
    assert releases.champion() == "D"


@given(
    st.lists(st.tuples(st.sampled_from(["promote", "serve", "fail", "rollback"]), st.sampled_from("ABC")), max_size=14)
)
def test_replaying_agrees_with_a_plain_stack(steps: list[tuple[str, str]]) -> None:
    stack: list[str] = []
    served: set[str] = set()
    log: list[tuple[str, str, str | None]] = []
    for step, version in steps:
        top = stack[-1] if stack else None
        if step == "promote":
            log.append(("promote", version, top))
            stack += [version] * (version != top)
        elif step == "serve":
            log.append(("serve", version, top))
            served.add(version)
        elif step == "fail" and top:
            log.append(("fail", top, top))
            stack = stack if top in served else stack[:-1]
        elif step == "rollback" and (back := [at for at, old in enumerate(stack) if old in served and old != top]):
            log.append(("rollback", stack[back[-1]], top))
            stack = stack[: back[-1] + 1]
    assert standing(log).champion_history == tuple(stack)
    assert standing(log).served == served
    assert standing(log).previous in {None, *served}
