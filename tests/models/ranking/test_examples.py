import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.columns import ACTIONS, STARTED
from models.interactions import Interactions
from models.ranking.config import RankerConfig
from models.ranking.examples import MINUTE_MS, RankingExamples

CONFIG = RankerConfig(width=4, max_length=5, actions=("click", "like"), candidates=3, request_minutes=10)
SHOWN = 0b100

Event = tuple[int, int, int, int]
"""Minute it started, minutes it took, item, mask."""


def interactions(users: list[list[Event]]) -> Interactions:
    ordered = [sorted(events, key=lambda event: event[0] + event[1]) for events in users]
    flat = [event for events in ordered for event in events]
    packed = Interactions.of(
        [([item for _, _, item, _ in of], [(at + took) * MINUTE_MS for at, took, _, _ in of]) for of in ordered]
    )
    return packed.with_columns(
        {
            STARTED: np.array([at * MINUTE_MS for at, *_ in flat], np.int64),
            ACTIONS: np.array([mask for *_, mask in flat], np.int64),
        }
    )


events = st.tuples(st.integers(0, 200), st.integers(0, 3), st.integers(1, 9), st.integers(0, 7))


@settings(max_examples=60, deadline=None)
@given(users=st.lists(st.lists(events, max_size=12), min_size=1, max_size=4), since=st.integers(0, 100))
def test_each_shown_item_is_judged_once_from_what_was_over_before(users: list[list[Event]], since: int) -> None:
    data = interactions(users)
    wanted = [
        (user, at, item, mask & 0b11)
        for user, of in enumerate(users)
        for at, took, item, mask in sorted(of, key=lambda event: event[0] + event[1])
        if mask & SHOWN and since <= at < 150
    ]
    if not wanted:
        with pytest.raises(ValueError, match="none of the interactions says that an item was shown"):
            RankingExamples(data, CONFIG, since * MINUTE_MS, 150 * MINUTE_MS)
        return
    examples = RankingExamples(data, CONFIG, since * MINUTE_MS, 150 * MINUTE_MS)
    assert examples.owners.tolist() == [user for user, *_ in wanted]
    found = []
    for example in range(len(examples)):
        batch = examples.batch(np.array([example]))
        user, moment = int(examples.users[example]), int(examples.shown_at[example])
        (count,), (length,) = batch.requests.targets.tolist(), np.diff(batch.requests.offsets.numpy()).tolist()
        assert 1 <= count <= CONFIG.candidates
        over = [(at + took, item, mask) for at, took, item, mask in users[user] if (at + took) * MINUTE_MS < moment]
        over.sort(key=lambda event: event[0])
        history = batch.requests.item_index[: length - count].tolist()
        assert len(history) == min(len(over), CONFIG.max_length)
        assert sorted(history) == sorted(item for _, item, _ in over[len(over) - len(history) :]) or len(
            {at for at, *_ in over}
        ) < len(over)
        assert (batch.requests.actions < SHOWN).all()
        assert examples.epoch(0).lengths[example] == length
        found += list(zip(batch.requests.item_index[length - count :].tolist(), batch.taken.tolist(), strict=True))
    assert found == [(item, mask) for _, _, item, mask in wanted]


def test_an_example_ends_with_the_user_a_pause_or_when_there_are_enough() -> None:
    first = [(minute, 0, 1, SHOWN) for minute in (0, 1, 2, 3, 30, 31)]
    examples = RankingExamples(interactions([first, [(31, 0, 2, SHOWN)]]), CONFIG)
    assert [batch_size(examples, one) for one in range(len(examples))] == [3, 1, 2, 1]
    assert examples.users.tolist() == [0, 0, 0, 1]


def batch_size(examples: RankingExamples, example: int) -> int:
    return len(examples.batch(np.array([example])))


def test_what_came_of_a_candidate_is_in_its_label_and_nowhere_else() -> None:
    quiet = [(0, 0, 1, SHOWN | 1), (20, 5, 2, SHOWN)]
    acted = [(0, 0, 1, SHOWN | 1), (20, 5, 2, SHOWN | 0b11)]
    one, other = (
        RankingExamples(interactions([of]), CONFIG, 20 * MINUTE_MS).batch(np.arange(1)) for of in (quiet, acted)
    )
    assert (one.taken.tolist(), other.taken.tolist()) == ([0], [0b11])
    assert one.requests.item_index.tolist() == other.requests.item_index.tolist() == [1, 2]
    assert one.requests.actions.tolist() == other.requests.actions.tolist() == [1, 0]
