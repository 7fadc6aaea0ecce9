from datetime import UTC, datetime

import pytest

from assets.release.gate import decide, decide_by_hand
from assets.release.settings import ReleaseSettings
from models.evaluation.report import EvaluationReport, Measure, VersionEvaluation

USERS = 200


def measure(mean: float) -> Measure:
    return Measure.model_construct(mean=mean, low=mean - 0.01, high=mean + 0.01, n=USERS)


def evaluated(
    hstu: float, popularity: float | None = None, champion: float | None = None, version: str = "new"
) -> VersionEvaluation:
    others = {name: v for name, v in (("popularity", popularity), ("champion", champion)) if v is not None}
    report = EvaluationReport.model_construct(
        users=USERS,
        targets=USERS,
        items=50,
        candidate="hstu",
        scorers={name: {"overall": {"ndcg@10": measure(v)}} for name, v in {"hstu": hstu, **others}.items()},
        differences={"overall": {name: {"ndcg@10": measure(hstu - v)} for name, v in others.items()}},
    )
    return VersionEvaluation.model_construct(
        version=version,
        champion=None if champion is None else "old",
        cutoff=datetime(2026, 1, 1, tzinfo=UTC),
        primary_protocol="time",
        protocols={"time": report},
    )


def test_the_first_version_must_beat_popularity() -> None:
    decision = decide(evaluated(0.25, popularity=0.125), None, ReleaseSettings())
    assert decision.promote
    assert decision.reason == (
        "new beats popularity on ndcg@10 (time, 200 users): 0.2500 against 0.1250, "
        "difference 0.1250 [0.1150, 0.1350], more than the margin 0."
    )
    assert decision.numbers == {"ndcg@10": 0.25, "popularity ndcg@10": 0.125, "difference": 0.125}
    assert not decide(evaluated(0.125, popularity=0.25), None, ReleaseSettings()).promote
    assert not decide(evaluated(0.125, popularity=0.25), None, ReleaseSettings(must_beat_popularity=False)).promote


def test_the_margin_must_be_exceeded_and_not_only_reached() -> None:
    equal_to_margin = evaluated(0.5, popularity=0.0, champion=0.25)
    assert not decide(equal_to_margin, "old", ReleaseSettings(margin=0.25)).promote
    assert decide(equal_to_margin, "old", ReleaseSettings(margin=0.2)).promote
    assert not decide(evaluated(0.25, popularity=0.0, champion=0.25), "old", ReleaseSettings()).promote


def test_a_later_version_must_beat_the_champion_and_popularity() -> None:
    beats_champion_only = evaluated(0.25, popularity=0.5, champion=0.125)
    decision = decide(beats_champion_only, "old", ReleaseSettings())
    assert not decision.promote
    assert "does not beat popularity" in decision.reason
    assert decide(beats_champion_only, "old", ReleaseSettings(must_beat_popularity=False)).promote
    decision = decide(evaluated(0.5, popularity=0.25, champion=0.125), "old", ReleaseSettings())
    assert decision.promote
    assert "beats champion old" in decision.reason


def test_a_champion_that_was_not_on_the_same_cases_blocks() -> None:
    decision = decide(evaluated(0.5, popularity=0.1, champion=0.2), "another", ReleaseSettings())
    assert not decision.promote
    assert "not evaluated on the same cases as the champion another" in decision.reason


def test_the_champion_itself_changes_nothing() -> None:
    decision = decide(evaluated(0.5, popularity=0.1, version="old"), "old", ReleaseSettings())
    assert not decision.promote
    assert decision.reason == "old is the champion already."


@pytest.mark.parametrize("nan", ["hstu", "popularity"])
def test_nan_never_promotes(nan: str) -> None:
    numbers = {"hstu": 0.5, "popularity": 0.1, nan: float("nan")}
    decision = decide(evaluated(numbers["hstu"], numbers["popularity"]), None, ReleaseSettings())
    assert not decision.promote
    assert "not a finite number" in decision.reason
    infinite = decide(evaluated(float("inf"), popularity=0.1), None, ReleaseSettings())
    assert not infinite.promote


def test_missing_numbers_never_promote() -> None:
    assert not decide(evaluated(0.5), None, ReleaseSettings()).promote
    decision = decide(evaluated(0.5, popularity=0.1), None, ReleaseSettings(metric="ndcg@7"))
    assert not decision.promote
    assert "does not compare it with popularity on ndcg@7" in decision.reason


def test_a_person_may_promote_any_version_that_exists() -> None:
    decision = decide_by_hand("a", ["a", "b"], "b", "holiday campaign")
    assert decision.promote
    assert decision.reason == "a was promoted by hand: holiday campaign"
    assert not decide_by_hand("b", ["a", "b"], "b", "again").promote
    with pytest.raises(ValueError, match=r"version c .*\['a', 'b'\]: name one of them"):
        decide_by_hand("c", ["a", "b"], "b", "typo")
