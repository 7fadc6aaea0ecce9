"""Who becomes champion, by which rule, and what is said about it."""

from collections.abc import Mapping
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.release.gate import Decision, decide, decide_by_hand
from assets.release.settings import ReleaseSettings
from models.evaluation.report import Contestant, Measures, Protocol, VersionEvaluation
from tests.assets.release.nights import evaluated, version

SETTINGS = ReleaseSettings()
OLD = version("hstu", 0)
TONIGHT = {family: version(family, 1) for family in ("hstu", "popularity", "item_knn")}
WITH_CHAMPION = {"hstu": TONIGHT["hstu"], "champion": OLD, **TONIGHT}


def judged(worth: list[float], champion: Contestant | None = OLD, **more: object) -> Decision:
    """A night with a champion, by time alone; worth of: hstu, champion, popularity, item_knn."""
    contestants = {**WITH_CHAMPION, "champion": champion} if champion else TONIGHT
    night = evaluated(contestants, {"time": worth}, incumbent=champion, **more)  # type: ignore[arg-type]
    return decide(night, champion.version if champion else None, SETTINGS)


def test_the_first_night_releases_the_best_whatever_its_family() -> None:
    assert judged([0.2, 0.1, 0.15], None).promoted == "hstu-1"
    refused = judged([0.1, 0.15, 0.2], None)
    assert (refused.promoted, refused.refused) == ("item_knn-1", "hstu-1")
    assert refused.reason == (
        "item_knn-1 (item_knn) becomes champion: there was none, and of 3 it is the best than which nothing is clearly "
        "better; ndcg@10 (time, 200 users): hstu 0.1000 [0.0900, 0.1100], popularity 0.1500 [0.1400, 0.1600], "
        "item_knn 0.2000 [0.1900, 0.2100]."
    )
    assert refused.refusal == (
        "hstu-1 is not released: item_knn is clearly better, difference 0.1000 [0.0900, 0.1100] (time); train longer "
        "or on more days, or search its settings (`tuned_hyperparameters`); every night is judged anew."
    )
    assert refused.numbers == {"hstu ndcg@10": 0.1, "popularity ndcg@10": 0.15, "item_knn ndcg@10": 0.2}


def test_a_newer_version_of_the_champions_family_follows_where_it_is_no_worse_in_the_mean() -> None:
    assert judged([0.2, 0.2 - 1e-9, 0, 0]).promoted == "hstu-1"
    slightly_worse = judged([0.2 - 1e-3, 0.2, 0, 0])
    assert (slightly_worse.promoted, slightly_worse.refused) == (None, "hstu-1")
    assert "a negative release.margin lets a slightly worse one through" in slightly_worse.refusal
    lenient = ReleaseSettings(margin=-0.002)
    night = evaluated(WITH_CHAMPION, {"time": [0.2 - 1e-3, 0.2, 0, 0]})
    assert decide(night, OLD.version, lenient).promoted == "hstu-1"


def test_a_version_that_answers_as_the_champion_does_changes_nothing_but_another_of_the_same_mean_follows() -> None:
    assert judged([0.2, 0.2, 0, 0], half_width=0.0).promoted is None
    assert judged([0.2, 0.2, 0, 0], half_width=0.01).promoted == "hstu-1"


def test_chance_switches_no_families_and_certainty_does() -> None:
    knn = version("item_knn", 0)
    likely = judged([0.209, 0.2, 0, 0.1], knn)
    assert (likely.promoted, likely.refused) == (None, "hstu-1")
    assert "it is not clearly better than champion, difference 0.0090 [-0.0010, 0.0190] (time)" in likely.refusal
    assert "more users would tell: widen evaluation.window_days" in likely.refusal
    certain = judged([0.211, 0.2, 0, 0.1], knn)
    assert certain.promoted == "hstu-1"
    assert "it is clearly better than the champion item_knn-0 (item_knn), difference 0.0110 [0.0010" in certain.reason


def test_a_champion_that_is_beaten_gives_way_to_the_floor() -> None:
    decision = judged([0.1, 0.12, 0.05, 0.2])
    assert (decision.promoted, decision.refused) == ("item_knn-1", "hstu-1")
    assert decision.verdicts["champion"].startswith("item_knn is clearly better, difference 0.0800")


def test_both_protocols_count_where_they_have_users() -> None:
    """By time the three are alike; item_knn is clearly better on leave-one-out."""
    worth: dict[Protocol, list[float]] = {"time": [0.103, 0.1, 0.1, 0.1], "leave_one_out": [0.1, 0.1, 0.1, 0.2]}
    enough = evaluated(WITH_CHAMPION, worth)
    assert decide(enough, OLD.version, SETTINGS).promoted == "item_knn-1"
    few = evaluated(WITH_CHAMPION, worth, users={"time": 200, "leave_one_out": 99})
    assert decide(few, OLD.version, SETTINGS).promoted == "hstu-1"
    other = evaluated(WITH_CHAMPION, worth, users={"time": 99, "leave_one_out": 100})
    assert "ndcg@10 (leave_one_out, 100 users)" in decide(other, OLD.version, SETTINGS).reason


@pytest.mark.parametrize(
    ("time", "leave_one_out", "best"),
    [
        ([0.2, 0.1, 0.3], [0.2, 0.1, 0.1], "hstu-1"),  # two thirds of the best here, against half of it there
        ([0.1, 0.1, 0.3], [0.2, 0.1, 0.1], "item_knn-1"),
        ([0.2, 0.1, 0.3], [0.3, 0.1, 0.2], "item_knn-1"),  # equally far behind: the deciding protocol decides
    ],
)
def test_where_the_protocols_contradict_each_other_who_is_never_far_behind_is_best(
    time: list[float], leave_one_out: list[float], best: str
) -> None:
    assert decide(evaluated(TONIGHT, {"time": time, "leave_one_out": leave_one_out}), None, SETTINGS).promoted == best


def test_with_too_few_users_popularity_is_the_first_champion_and_stays_fresh() -> None:
    first = judged([0.3, 0.1, 0.2], None, users=99)
    assert (first.promoted, first.refused) == ("popularity-1", "hstu-1")
    assert "numbers of 99 users (time) decide nothing where release.min_users is 100" in first.reason
    assert "widen evaluation.window_days" in first.refusal
    assert first.numbers == {}
    stays = judged([0.3, 0.1, 0.1, 0.2], users=99)
    assert (stays.promoted, stays.refused) == (None, "hstu-1")
    assert judged([0.3, 0.1, 0.1, 0.2], version("popularity", 0), users=99).promoted == "popularity-1"
    assert judged([0.3, 0.1, 0.1, 0.2], version("item_knn", 0), users=0).promoted == "item_knn-1"


def test_a_metric_that_was_not_measured_decides_nothing_and_says_so() -> None:
    night = evaluated(TONIGHT, {"time": [0.3, 0.1, 0.2]})
    decision = decide(night, None, ReleaseSettings(metric="ndcg@7"))
    assert decision.promoted == "popularity-1"
    assert "ndcg@7 was not measured, but ndcg@10" in decision.reason


@pytest.mark.parametrize("broken", [True, False])
def test_tonights_version_of_its_family_stands_in_for_a_champion_that_cannot_be_asked(broken: bool) -> None:
    def night(worth: list[float], champion: Contestant) -> Decision:
        why = "half a file" if broken else "it was trained until tomorrow: it has seen the answers"
        found = evaluated(TONIGHT, {"time": worth}, incumbent=champion, broken=broken, why_absent=why)
        return decide(found, champion.version, SETTINGS)

    kept = night([0.2, 0.1, 0.205], OLD)
    assert kept.promoted == "hstu-1"
    assert "hstu-1 (hstu), which stands in for the champion hstu-0, as that cannot be asked: " in kept.reason
    assert night([0.2, 0.1, 0.3], OLD).promoted == "item_knn-1"
    assert night([0.2, 0.195, 0.1], version("sasrec", 0)).promoted == "popularity-1"
    assert night([0.2, 0.1, 0.1], version("sasrec", 0)).promoted == "hstu-1"


def test_a_champion_that_is_gone_is_replaced_though_nothing_tells_what_it_was() -> None:
    for users in (0, 200):
        night = evaluated(TONIGHT, {"time": [0.2, 0.1, 0.105]}, users=users)
        gone = night.model_copy(update={"broken_champion": "gone", "left_out": {"champion": "not there"}})
        assert decide(gone, "gone", SETTINGS).promoted == ("hstu-1" if users else "popularity-1")


def test_an_older_version_does_not_take_the_place_of_a_champion_that_has_seen_its_answers() -> None:
    champion = version("hstu", 2)
    night = evaluated(TONIGHT, {"time": [0.2, 0.1, 0.1]}, incumbent=champion, why_absent="it has seen the answers")
    decision = decide(night, champion.version, SETTINGS)
    assert (decision.promoted, decision.refused) == (None, "hstu-1")
    assert "it was made before the champion, which has seen its answers" in decision.refusal


def test_an_evaluation_in_which_the_champion_took_no_part_decides_nothing() -> None:
    night = evaluated(TONIGHT, {"time": [0.2, 0.1, 0.1]})
    decision = decide(night, "another", SETTINGS)
    assert (decision.promoted, decision.refused) == (None, "hstu-1")
    assert "before another became champion; materialize `evaluation` and `release` again" in decision.refusal
    of_earlier_code = night.model_copy(update={"contestants": {}})
    assert decide(of_earlier_code, None, SETTINGS).promoted is None
    assert decide(of_earlier_code, "hstu-1", SETTINGS).reason == "hstu-1 is the champion already."


def test_deciding_once_more_changes_nothing() -> None:
    night = evaluated(WITH_CHAMPION, {"time": [0.2, 0.1, 0.1, 0.3]}, incumbent=OLD)
    first = decide(night, OLD.version, SETTINGS)
    again = decide(night, first.promoted, SETTINGS)
    assert (first.promoted, again.promoted) == ("item_knn-1", None)


def test_a_person_may_promote_any_version_that_exists() -> None:
    decision = decide_by_hand("a", ["a", "b"], "b", "holiday campaign")
    assert (decision.promoted, decision.reason) == ("a", "a was promoted by hand: holiday campaign")
    assert decide_by_hand("b", ["a", "b"], "b", "again").promoted is None
    with pytest.raises(ValueError, match=r"version c .*\['a', 'b'\]: name one of them"):
        decide_by_hand("c", ["a", "b"], "b", "typo")


def test_the_setting_that_is_gone_says_so() -> None:
    with pytest.raises(ValueError, match=r"must_beat_popularity is no setting any more: .*; delete the key"):
        ReleaseSettings.model_validate({"must_beat_popularity": False})


WORTH = st.floats(0, 1, width=16)
USERS = st.sampled_from([0, 50, 100, 5_000])
NAMES = ["hstu", "champion", "popularity", "item_knn"]


@st.composite
def nights(draw: st.DrawFn, champion: bool) -> VersionEvaluation:
    contestants = {name: WITH_CHAMPION[name] for name in NAMES if champion or name != "champion"}
    if champion:
        contestants["champion"] = version(draw(st.sampled_from(["hstu", "popularity", "item_knn"])), 0)
    worths: dict[Protocol, list[float]] = {
        protocol: draw(st.lists(WORTH, min_size=len(contestants), max_size=len(contestants)))
        for protocol in ("time", "leave_one_out")
    }
    users: Mapping[Protocol, int] = {"time": draw(USERS), "leave_one_out": draw(USERS)}
    return evaluated(contestants, worths, users=users, half_width=draw(st.sampled_from([0, 0.01, 0.1])))


@given(nights(champion=False))
def test_after_a_first_night_there_always_is_a_champion(night: VersionEvaluation) -> None:
    assert decide(night, None, SETTINGS).promoted is not None


@given(nights(champion=True))
def test_what_is_clearly_worse_wherever_it_counts_is_never_promoted(night: VersionEvaluation) -> None:
    champion = night.contestants["champion"].version
    decision = decide(night, champion, SETTINGS)
    counting = [report for report in night.protocols.values() if report.users >= SETTINGS.min_users]
    for scorer, of in night.contestants.items():
        differences = [
            [report.paired_difference(other, scorer, "ndcg@10") for report in counting]
            for other in night.contestants
            if other != scorer
        ]
        dominated = any(pair and all(d and d.low is not None and d.low > 0 for d in pair) for pair in differences)
        assert not (dominated and of.version == (decision.promoted or champion))


@given(nights(champion=True), st.permutations(["champion", "popularity", "item_knn"]), st.booleans())
def test_the_order_of_the_contestants_does_not_matter(
    night: VersionEvaluation, order: list[str], protocols_turned: bool
) -> None:
    names = ["hstu", *order]
    reports = {}
    for name, report in sorted(night.protocols.items(), reverse=protocols_turned):
        pairs: dict[str, dict[str, Measures]] = {first: {} for first in names}
        for first, second in combinations(names, 2):
            if told := report.paired_difference(first, second, "ndcg@10"):
                pairs[first][second] = {"ndcg@10": told}
        turned = {name: report.scorers[name] for name in names}
        reports[name] = report.model_copy(update={"paired": pairs, "scorers": turned})
    contestants = {name: night.contestants[name] for name in names}
    other = night.model_copy(update={"contestants": contestants, "protocols": reports})
    champion = night.contestants["champion"].version
    ours, theirs = decide(night, champion, SETTINGS), decide(other, champion, SETTINGS)
    assert (ours.promoted, ours.refused, ours.verdicts) == (theirs.promoted, theirs.refused, theirs.verdicts)


NIGHT = st.tuples(st.sampled_from(["asked", "asked", "has seen the answers", "broken"]), USERS, USERS)


@given(
    champion=st.sampled_from(["hstu", "popularity", "item_knn", "sasrec"]),
    nights=st.lists(NIGHT, min_size=1, max_size=8),
    worth=st.fixed_dictionaries({name: st.floats(0, 0.5) for name in ("hstu", "popularity", "item_knn", "sasrec")}),
)
def test_no_sequence_of_nights_keeps_out_a_model_that_is_clearly_better(
    champion: str, nights: list[tuple[str, int, int]], worth: dict[str, float]
) -> None:
    """From night 1 on hstu is better than everything: it is champion from the first night that can tell."""
    in_place = version(champion, 0)
    known = {in_place.version: in_place}
    worth_of = {in_place.version: worth[champion]}
    for number, (state, time_users, held_out_users) in enumerate(nights, 1):
        tonight = {family: version(family, number) for family in ("hstu", "popularity", "item_knn")}
        known |= {of.version: of for of in tonight.values()}
        worth_of |= {of.version: worth[family] for family, of in tonight.items()} | {tonight["hstu"].version: 0.6}
        contestants = {**tonight, **({"champion": in_place} if state == "asked" else {})}
        values = [worth_of[of.version] for of in contestants.values()]
        night = evaluated(
            contestants,
            {"time": values, "leave_one_out": values},
            users={"time": time_users, "leave_one_out": held_out_users},
            incumbent=in_place,
            broken=state == "broken",
            why_absent=None if state == "asked" else state,
        )
        decision = decide(night, in_place.version, SETTINGS)
        in_place = known[decision.promoted] if decision.promoted else in_place
        if max(time_users, held_out_users) >= SETTINGS.min_users:
            assert in_place.version == tonight["hstu"].version
        if state == "broken":
            assert decision.promoted is not None
