"""Impressions and the states that they are matched to: never one younger than the delay, and none is lost unsaid."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.argus.impressions import ImpressionExamples, NoImpressions
from models.columns import ACTIONS, ITEM_INDEX, STARTED, VALUE
from models.heads.calendar import HOUR_MS
from models.objectives.impressions import adjacent_pairs
from tests.models.argus.worlds import people, towers_config


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 20), min_size=1, max_size=4),
    seed=st.integers(0, 999),
    together=st.sampled_from([0.0, 0.5]),
    delay=st.sampled_from([0.0, 0.5, 3.0, 24.0]),
    exposure=st.sampled_from(["", "impression"]),
    windows=st.booleans(),
)
def test_each_is_matched_to_the_newest_state_that_is_old_enough(
    lengths: list[int], seed: int, together: float, delay: float, exposure: str, windows: bool
) -> None:
    users, config = people(lengths, seed, together), towers_config(delay_hours=delay, exposure=exposure)
    random = np.random.default_rng(seed)
    users = users.with_columns({ACTIONS: users.column(ACTIONS) - random.integers(0, 2, sum(lengths))})
    asked = random.random(sum(lengths)) < 0.5 if windows else None
    ended, started = users.timestamps, users.column(STARTED)
    owner = np.repeat(np.arange(len(lengths)), lengths)
    wanted: dict[int, int] = {}
    without = 0
    for place in range(sum(lengths)):
        is_shown = not exposure or users.column(ACTIONS)[place] & 1
        if not is_shown or (asked is not None and not asked[place]):
            continue
        age = started[place] - ended
        old = (owner == owner[place]) & ((age >= delay * HOUR_MS) if delay else (age > 0))
        if old.any():
            wanted[place] = int(np.flatnonzero(old)[-1])
        else:
            without += 1
    if not wanted:
        with pytest.raises(NoImpressions, match=f"{without} impressions of users without a state"):
            ImpressionExamples(users, config, asked)
        return
    examples = ImpressionExamples(users, config, asked)
    assert dict(zip(examples.at.tolist(), examples.states.tolist(), strict=True)) == wanted
    assert examples.left_out.without_state == without
    assert not (started[examples.at] - ended[examples.states] < delay * HOUR_MS).any()
    assert (started[examples.at] > ended[examples.states]).all()
    _batches_hold_what_they_should(examples, users, windows)


def _batches_hold_what_they_should(examples: ImpressionExamples, users: object, windows: bool) -> None:
    done = 0
    for one in range(len(examples)):
        batch = examples.batch(np.array([one]))
        part = slice(done, done + len(batch))
        done += len(batch)
        np.testing.assert_array_equal(batch.items, users.item_index[examples.at[part]])  # type: ignore[attr-defined]
        np.testing.assert_array_equal(
            batch.histories.timestamps[batch.states],
            users.timestamps[examples.states[part]],  # type: ignore[attr-defined]
        )
        np.testing.assert_array_equal(batch.grades, examples.grades()[part])
        if windows:
            before = examples.states[part] - users.offsets[examples.users[part]]  # type: ignore[attr-defined]
            assert (batch.states.numpy() >= np.minimum(before, examples.config.max_length // 2 - 1)).all()
    assert done == len(examples.at)
    whole = examples.batch(np.arange(len(examples)))
    assert len(adjacent_pairs(whole.rows, whole.grades)[0]) == examples.pairs
    np.testing.assert_array_equal(whole.items, examples.items)


def test_the_scale_orders_what_came_of_an_impression() -> None:
    users = people([6]).with_columns(
        {
            ACTIONS: np.array([1, 1, 1, 3, 3, 5]),
            VALUE: np.array([np.nan, 0.05, 0.95, 0.0, 1.0, 0.5], np.float32),
        }
    )
    steps = ({"factor": "played", "least": 2, "grade": 1}, {"factor": "like", "grade": 2})
    config = towers_config(scale=steps, delay_hours=0.0, exposure="impression")
    examples = ImpressionExamples(users, config)
    assert examples.grades().tolist() == [0, 1, 2, 2, 0]
    assert config.grades == [0, 1, 2]


def test_what_takes_no_part_is_counted() -> None:
    users = people([4, 1])
    users = users.with_columns(
        {
            ITEM_INDEX: np.array([3, 0, 4, 5, 6]),
            VALUE: np.array([0.5, 0.5, np.nan, 0.5, 0.5], np.float32),
        }
    )
    config = towers_config(scale=({"factor": "played", "grade": 1},), delay_hours=0.0)
    left_out = ImpressionExamples(users, config).left_out
    assert (left_out.unknown_item, left_out.without_grade, left_out.without_state) == (1, 1, 2)
    assert "2 impressions of users without a state" in str(left_out)


def test_a_scale_that_cannot_order_is_refused() -> None:
    for scale, why in (
        ((), "the scale has no steps"),
        (({"factor": "buy", "grade": 1},), "names the factor 'buy'"),
        (({"factor": "like", "least": 2, "grade": 1},), "asks for class 2 of like, whose last is 1"),
        (({"factor": "like", "grade": 0},), "every step of the scale has grade 0"),
    ):
        with pytest.raises(ValueError, match=why):
            towers_config(scale=scale)
    with pytest.raises(ValueError, match="exposure 'seen' is not one of the actions"):
        towers_config(exposure="seen")
