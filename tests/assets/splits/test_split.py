from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from assets.splits.split import SplitRule, split
from models.columns import ACTIONS, ITEM_IDS, TIMESTAMPS, USER_ID
from storage.schema import TIME
from tests.interaction_logs import InMemoryLog, case_lists, log_of, training_of

CUTOFF = datetime(2026, 3, 10, tzinfo=UTC)
DAY = timedelta(days=1)
CLICK, SKIP = 4, 32

Interactions = list[tuple[int, int, int]]
"""(item, hours after the cutoff, action mask)"""


def sequences(users: dict[int, Interactions]) -> InMemoryLog:
    rows = [
        {
            "user_id": user,
            "item_ids": [item for item, _, _ in done],
            "timestamps": [CUTOFF + timedelta(hours=hours) for _, hours, _ in done],
            "actions": [mask for _, _, mask in done],
        }
        for user, done in users.items()
    ]
    schema: dict[str, pl.DataType] = {
        USER_ID: pl.Int64(),
        ITEM_IDS: pl.List(pl.Int64),
        TIMESTAMPS: pl.List(TIME),
        ACTIONS: pl.List(pl.Int32),
    }
    return log_of(pl.DataFrame(rows, schema=schema), most=5)


@dataclass(frozen=True)
class Lists:
    """A split as lists of ids."""

    training: pl.DataFrame
    time_cases: pl.DataFrame
    leave_one_out_cases: pl.DataFrame


def split_at_cutoff(users: dict[int, Interactions], leave_one_out_users: int = 0, **more: Any) -> Lists:
    log = sequences(users)
    rule = SplitRule(CUTOFF, DAY, CLICK, leave_one_out_users, **more)
    parts = split(log, rule, rows_in_memory=4)
    cases = (case_lists(log, some) for some in (parts.time_cases, parts.leave_one_out_cases))
    return Lists(training_of(log, parts), *cases)


def items_by_user(frame: pl.DataFrame, column: str = ITEM_IDS) -> dict[int, list[int]]:
    return dict(zip(frame[USER_ID].to_list(), frame[column].to_list(), strict=True))


def test_training_ends_strictly_before_the_cutoff_and_keeps_positives_only() -> None:
    result = split_at_cutoff({1: [(10, -3, CLICK), (11, -2, SKIP), (12, -1, CLICK | SKIP), (13, 0, CLICK)]})
    assert items_by_user(result.training) == {1: [10, 12]}
    assert items_by_user(result.time_cases) == {1: [10, 12]}
    assert items_by_user(result.time_cases, "target_ids") == {1: [13]}


def test_targets_are_distinct_new_items_of_the_window() -> None:
    history = [(10, -5, CLICK)]
    window = [(10, 1, CLICK), (11, 2, CLICK), (12, 3, SKIP), (11, 4, CLICK), (13, 23, CLICK), (14, 24, CLICK)]
    result = split_at_cutoff({1: history + window})
    assert items_by_user(result.time_cases, "target_ids") == {1: [11, 13]}
    assert result.time_cases["request_time"].to_list() == [CUTOFF + timedelta(hours=2)]


def test_users_without_history_or_without_new_targets_are_no_cases() -> None:
    result = split_at_cutoff({1: [(10, 1, CLICK)], 2: [(10, -1, CLICK), (10, 1, CLICK)], 3: [(10, -1, CLICK)], 4: []})
    assert result.time_cases.is_empty()
    assert items_by_user(result.training) == {2: [10], 3: [10]}


def test_leave_one_out_takes_the_last_positive_out_of_training_only() -> None:
    users = {1: [(10, -3, CLICK), (11, -2, CLICK), (12, -1, SKIP), (13, 1, CLICK)]}
    result = split_at_cutoff(users, leave_one_out_users=5)
    assert items_by_user(result.training) == {1: [10]}
    assert items_by_user(result.leave_one_out_cases) == {1: [10]}
    assert items_by_user(result.leave_one_out_cases, "target_ids") == {1: [11]}
    assert items_by_user(result.time_cases) == {1: [10, 11]}


def test_leave_one_out_skips_single_interactions_and_repeated_items() -> None:
    users = {1: [(10, -3, CLICK)], 2: [(10, -3, CLICK), (11, -2, CLICK), (10, -1, CLICK)]}
    result = split_at_cutoff(users, leave_one_out_users=5)
    assert result.leave_one_out_cases.is_empty()
    assert items_by_user(result.training) == {1: [10], 2: [10, 11, 10]}


def test_leave_one_out_asks_for_all_that_happened_last_unless_ties_may_be_parted() -> None:
    users = {
        1: [(10, -3, CLICK), (11, -1, CLICK), (10, -1, CLICK), (12, -1, CLICK), (12, -1, CLICK)],
        2: [(10, -3, CLICK), (11, -2, CLICK)],
        3: [(10, -1, CLICK), (11, -1, CLICK)],
        4: [(10, -3, CLICK), (10, -1, CLICK)],
    }
    strict = split_at_cutoff(users, leave_one_out_users=5)
    assert items_by_user(strict.leave_one_out_cases) == {1: [10], 2: [10]}
    assert items_by_user(strict.leave_one_out_cases, "target_ids") == {1: [11, 12], 2: [11]}
    assert items_by_user(strict.training) == {1: [10], 2: [10], 3: [10, 11], 4: [10, 10]}
    published = split_at_cutoff(users, leave_one_out_users=5, hold_out_ties=True)
    # The last that user 1 did was nothing new.
    assert items_by_user(published.leave_one_out_cases) == {2: [10], 3: [10]}
    assert items_by_user(published.leave_one_out_cases, "target_ids") == {2: [11], 3: [11]}


def test_where_choices_repeat_all_are_asked_for_once() -> None:
    before = [(10, -5, CLICK), (11, -4, CLICK)]
    window = [(10, 1, CLICK), (12, 2, CLICK), (10, 3, CLICK)]
    users = {1: before + window, 2: [(10, -3, CLICK), (11, -2, CLICK), (10, -1, CLICK)]}
    result = split_at_cutoff(users, leave_one_out_users=5, repeats=True)
    assert items_by_user(result.time_cases, "target_ids") == {1: [10, 12]}
    assert items_by_user(result.leave_one_out_cases, "target_ids") == {1: [11], 2: [10]}
    assert items_by_user(result.training) == {1: [10], 2: [10, 11]}


def test_samples_are_capped_and_survive_other_users() -> None:
    users = {user: [(1, -2, CLICK), (2, -1, CLICK), (3, 1, CLICK)] for user in range(40)}
    few = split_at_cutoff(users, leave_one_out_users=10).leave_one_out_cases[USER_ID].to_list()
    assert len(few) == 10
    without_strangers = {user: done for user, done in users.items() if user in few or user % 2}
    assert split_at_cutoff(without_strangers, leave_one_out_users=10).leave_one_out_cases[USER_ID].to_list() == few
    capped = split_at_cutoff(users, max_users=7)
    assert capped.time_cases.height == 7
    assert capped.training.height == 40


interaction = st.tuples(st.integers(1, 6), st.integers(-30, 30), st.sampled_from([CLICK, SKIP, CLICK | SKIP]))
worlds = st.dictionaries(
    st.integers(1, 8), st.lists(interaction, max_size=12).map(lambda done: sorted(done, key=lambda i: i[1])), max_size=6
)


@given(worlds, worlds, st.integers(0, 4))
def test_nothing_after_the_cutoff_changes_anything_before_it(
    users: dict[int, Interactions], others: dict[int, Interactions], leave_one_out_users: int
) -> None:
    def with_future_of(user: int) -> Interactions:
        past = [i for i in users[user] if i[1] < 0]
        return past + [i for i in others.get(user, []) if i[1] >= 0]

    strangers = {user + 100: [i for i in done if i[1] >= 0] for user, done in others.items()}
    changed = {user: with_future_of(user) for user in users} | strangers
    original, planted = (split_at_cutoff(world, leave_one_out_users) for world in (users, changed))
    assert planted.training.equals(original.training)
    assert planted.leave_one_out_cases.equals(original.leave_one_out_cases)
    histories, planted_histories = (items_by_user(s.time_cases) for s in (original, planted))
    for user in histories.keys() & planted_histories.keys():
        assert planted_histories[user] == histories[user]


@given(worlds, st.integers(0, 4))
def test_every_positive_before_the_cutoff_is_trained_on_or_held_out_once(
    users: dict[int, Interactions], leave_one_out_users: int
) -> None:
    result = split_at_cutoff(users, leave_one_out_users)
    trained, held_out = items_by_user(result.training), items_by_user(result.leave_one_out_cases, "target_ids")
    for user, done in users.items():
        positives = [(item, hours) for item, hours, mask in done if hours < 0 and mask & CLICK]
        last = {item: None for item, hours in positives if user in held_out and hours == positives[-1][1]}
        before = [item for item, hours in positives if user not in held_out or hours < positives[-1][1]]
        assert trained.get(user, []) == before
        assert held_out.get(user, []) == [item for item in last if item not in before]
    times = result.training[TIMESTAMPS].explode().drop_nulls()
    assert (times < CUTOFF).all()
    for case in result.time_cases.iter_rows(named=True):
        assert CUTOFF <= case["request_time"] < CUTOFF + DAY
        assert not set(case["target_ids"]) & set(case["item_ids"])
        assert len(set(case["target_ids"])) == len(case["target_ids"]) > 0
