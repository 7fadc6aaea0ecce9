"""What is held out where the profile leaves it to the data: counted as the split would, valid for every log."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.splits.auto import (
    COLD_START_HOURS,
    HALF_LIVES_DAYS,
    NEVER_DAYS,
    WINDOWS_DAYS,
    choose_learning,
    choose_protocol,
    choose_split,
)
from assets.splits.settings import EvaluationSettings, SplitSettings
from assets.splits.split import SplitRule, split
from assets.splits.survey import rank_gains, survey_windows
from assets.training.settings import TrainingDataSettings
from models.auto import read_section
from models.columns import ACTIONS, ITEM_IDS, TIMESTAMPS, USER_ID
from storage.schema import TIME
from tests.interaction_logs import InMemoryLog, case_lists, log_of, training_of

END = datetime(2026, 3, 10, tzinfo=UTC)
LAST_DAY = date(2026, 3, 9)
CLICK = 1
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)

Choices = list[tuple[int, int]]
"""(item, hours before the end)"""

LOGS = st.dictionaries(
    st.integers(1, 30), st.lists(st.tuples(st.integers(1, 6), st.integers(1, 24 * 40)), max_size=8), min_size=1
).filter(lambda users: any(users.values()))


def sequences(users: dict[int, Choices]) -> InMemoryLog:
    """A log of clicks, in order of time."""
    ordered = {user: sorted(done, key=lambda one: -one[1]) for user, done in users.items()}
    rows = [
        {
            USER_ID: user,
            ITEM_IDS: [item for item, _ in done],
            TIMESTAMPS: [END - hours * HOUR for _, hours in done],
            ACTIONS: [CLICK] * len(done),
        }
        for user, done in ordered.items()
    ]
    schema: dict[str, pl.DataType] = {
        USER_ID: pl.Int64(),
        ITEM_IDS: pl.List(pl.Int64),
        TIMESTAMPS: pl.List(TIME),
        ACTIONS: pl.List(pl.Int32),
    }
    return log_of(pl.DataFrame(rows, schema=schema), most=5)


def evaluation(**written: Any) -> SplitSettings:
    return SplitSettings.part_of(read_section(EvaluationSettings, written))


def data(**written: Any) -> TrainingDataSettings:
    return read_section(TrainingDataSettings, {"positive_actions": ["click"], **written})


@settings(max_examples=40)
@given(LOGS, st.booleans())
def test_a_window_is_counted_as_the_split_would_hold_it_out(users: dict[int, Choices], repeats: bool) -> None:
    log = sequences(users)
    rules = [SplitRule(END - days * DAY, days * DAY, CLICK, 0, repeats=repeats) for days in (1, 7, 30)]
    for rule, window in zip(rules, survey_windows(log, rules, rows_in_memory=4), strict=True):
        parts = split(log, rule)
        training = training_of(log, parts)
        lengths = training[ITEM_IDS].list.len()
        assert window.asked == case_lists(log, parts.time_cases).height
        assert (window.users, window.with_two) == tuple((lengths >= n).sum() for n in (1, 2))
        assert window.before == lengths.sum()
        assert window.before + window.after == sum(map(len, users.values()))
        if window.before:
            first = training[TIMESTAMPS].explode().min()
            assert isinstance(first, datetime)
            assert window.first_ms == int(first.timestamp() * 1000)


@given(LOGS, st.sampled_from([1.0, 30.0, NEVER_DAYS]))
def test_popularity_is_tried_on_what_was_chosen_first_after_it_was_counted(
    users: dict[int, Choices], half_life: float
) -> None:
    log, since = sequences(users), END - 5 * DAY
    rule = SplitRule(END - DAY, DAY, CLICK, 0)
    (found,) = rank_gains(log, rule, since, [half_life], rows_in_memory=4)
    popularity = dict.fromkeys(log.items.to_list(), 0.0)
    chosen: list[int] = []
    for done in users.values():
        known: set[int] = set()
        for item, hours in sorted(done, key=lambda one: -one[1]):
            moment = END - hours * HOUR
            if moment < since:
                popularity[item] += 0.5 ** ((since - moment) / DAY / half_life)
            elif moment < rule.cutoff and item not in known:
                chosen.append(item)
            known.add(item)
    ranks = [sum(other >= popularity[item] - 1e-12 for other in popularity.values()) for item in chosen]
    assert found == pytest.approx(np.mean([1 / np.log2(1 + rank) for rank in ranks]) if chosen else 0, abs=1e-9)


@given(LOGS, st.floats(0, 1))
def test_whatever_the_log_says_each_value_fits_its_field_and_has_a_reason(
    users: dict[int, Choices], described: float
) -> None:
    log, asked = sequences(users), evaluation()
    made, held_out, window = choose_split(log, CLICK, asked, LAST_DAY, rows_in_memory=4)
    assert set(held_out) == set(asked.left_to_data)
    hours = [hours for done in users.values() for _, hours in done]
    assert made.window_days in ((0,) if hours and max(hours) <= 24 else WINDOWS_DAYS)
    rule = SplitRule.by(made, made.cutoff_time(LAST_DAY), CLICK)
    learned, chosen = choose_learning(log, rule, window, data(), described, rows_in_memory=4)
    assert set(chosen) == set(data().left_to_data)
    assert TrainingDataSettings.model_validate(learned.model_dump()) == learned
    assert learned.popularity_half_life_days in HALF_LIVES_DAYS
    assert learned.cold_start_hours <= (COLD_START_HOURS if described else 0)
    assert 10 * learned.cold_start_hours * 3_600_000 <= rule.cutoff_ms - window.first_ms
    assert all(choice.reason[-1] == "." for choice in (held_out | chosen).values())


def visitors(count: int, every_days: int, days: int, first: int = 0) -> dict[int, Choices]:
    """Users who choose another item each time that they come, one after the other through the period."""
    return {
        user: [
            (1 + visit % 50, 24 * day + 1 + user % 20)
            for visit, day in enumerate(range(user % every_days, days, every_days))
        ]
        for user in range(first, first + count)
    }


@pytest.mark.parametrize(
    ("users", "every_days", "days", "window"), [(1_500, 2, 30, 1), (1_500, 15, 90, 7), (90, 20, 400, 30)]
)
def test_the_window_is_the_smallest_that_leaves_enough_users(
    users: int, every_days: int, days: int, window: int
) -> None:
    made, chosen, _ = choose_split(sequences(visitors(users, every_days, days)), CLICK, evaluation(), LAST_DAY)
    assert made.window_days == window, chosen


def test_a_window_takes_no_more_than_its_share_of_the_log() -> None:
    made, _, window = choose_split(sequences(visitors(60, 20, 100)), CLICK, evaluation(), LAST_DAY)
    assert (made.window_days, window.after <= (window.before + window.after) / 5) == (7, True)
    by_hand, chosen, _ = choose_split(sequences(visitors(60, 20, 100)), CLICK, evaluation(window_days=90), LAST_DAY)
    assert (by_hand.window_days, list(chosen)) == (90, ["repeats", "leave_one_out_users"])


def test_who_comes_back_to_what_they_know_is_asked_for_it_again() -> None:
    regulars = {user: [(1 + (visit % 3), 24 * visit + 1 + user % 20) for visit in range(12)] for user in range(60)}
    made, chosen, window = choose_split(sequences(regulars), CLICK, evaluation(), LAST_DAY)
    assert made.repeats
    assert chosen["repeats"].reason.endswith("people come back to what they know.")
    assert window.asked == 60, "all they choose at the end they had chosen before"
    one_after_the_other = {user: [(1 + visit // 4, 24 * visit + 1) for visit in range(12)] for user in range(60)}
    assert not choose_split(sequences(one_after_the_other), CLICK, evaluation(), LAST_DAY)[0].repeats
    by_hand, chosen, window = choose_split(sequences(regulars), CLICK, evaluation(repeats=False), LAST_DAY)
    assert (by_hand.repeats, "repeats" in chosen, window.asked) == (False, False, 0)


def test_what_is_in_fashion_gives_popularity_a_short_memory_and_what_lasts_a_long_one() -> None:
    fashion = {user: [(1 + (60 - day) // 4, 24 * day + 2)] for user, day in enumerate(list(range(60)) * 6)}
    lasting = {user: [(1 + min(user % 7, user % 3), 24 * (user % 60) + 2)] for user in range(400)}
    found = []
    for users in (fashion, lasting):
        log, made = sequences(users), evaluation(window_days=3)
        made, _, window = choose_split(log, CLICK, made, LAST_DAY)
        rule = SplitRule.by(made, made.cutoff_time(LAST_DAY), CLICK)
        found.append(choose_learning(log, rule, window, data(), 0.0)[0].popularity_half_life_days)
    assert found[0] <= 7 < 30 <= found[1]


def test_a_release_is_decided_by_time_where_enough_are_asked() -> None:
    assert choose_protocol({"time": 200, "leave_one_out": 1_000}).value == "time"
    assert choose_protocol({"time": 39, "leave_one_out": 1_000}).value == "leave_one_out"
    assert choose_protocol({"time": 39}).value == "time"
    assert choose_protocol({}).value == "time"
