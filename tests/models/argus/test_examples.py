"""Which interactions are asked about, and from what."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.argus.batch import ArgusBatch
from models.argus.examples import ArgusExamples, began_within, ended_before
from models.columns import ACTIONS, ITEM_INDEX, STARTED
from models.interactions import Interactions
from tests.models.argus.worlds import EPOCH, MINUTE, config, people

LENGTHS = st.lists(st.integers(0, 20), min_size=1, max_size=4)


def batches(examples: ArgusExamples) -> list[ArgusBatch]:
    return [examples.batch(np.array([place])) for place in range(len(examples))]


@settings(max_examples=30, deadline=None)
@given(
    lengths=LENGTHS, seed=st.integers(0, 99), together=st.sampled_from([0.0, 0.5]), delay=st.sampled_from([0.0, 2.0])
)
def test_chunks_hold_every_interaction_once_told_from_the_newest_that_had_ended(
    lengths: list[int], seed: int, together: float, delay: float
) -> None:
    users = people(lengths, seed, together)
    # Items are numbers that tell the interactions apart.
    users = users.with_columns({ITEM_INDEX: np.arange(1, len(users.timestamps) + 1)})
    if not sum(lengths):
        with pytest.raises(ValueError, match="none of the interactions is asked about"):
            ArgusExamples(users, config())
        return
    examples = ArgusExamples(users, config(), delay_hours=delay)
    seen = []
    for batch in batches(examples):
        read = batch.item_index[batch.read].numpy() - 1
        assert len(read) <= 8
        for asked, state in zip((batch.item_index[batch.asked] - 1).tolist(), batch.states.tolist(), strict=True):
            seen.append(asked)
            known = users.timestamps[read] < users.column(STARTED)[asked] - delay * 60 * MINUTE
            assert state == (np.flatnonzero(known).max() if known.any() else -1)
    assert sorted(seen) == list(range(sum(lengths)))
    assert np.array_equal(examples.asked, np.arange(sum(lengths)))


@settings(max_examples=30, deadline=None)
@given(lengths=LENGTHS, seed=st.integers(0, 99), hours=st.integers(0, 30))
def test_a_window_is_asked_once_each_from_as_much_as_fits(lengths: list[int], seed: int, hours: int) -> None:
    users = people(lengths, seed)
    users = users.with_columns({ITEM_INDEX: np.arange(1, len(users.timestamps) + 1)})
    since = EPOCH + hours * 60 * MINUTE
    asked = began_within(users, since, EPOCH * 2)
    if not asked.any():
        return
    for frozen in (None, ended_before(users, since)):
        examples = ArgusExamples(users, config(), asked, frozen)
        seen = []
        for batch in batches(examples):
            told = (batch.item_index[batch.asked] - 1).numpy()
            read = (batch.item_index[batch.read] - 1).numpy()
            seen += told.tolist()
            first = users.offsets[int(examples.users[0])] if len(examples) == 1 else None
            assert first is None or frozen is not None or len(read) >= min(told[0] - first, 4)
            if frozen is not None:
                assert (users.timestamps[read] < since).all()
        assert seen == np.flatnonzero(asked).tolist()


def test_items_that_are_not_known_are_asked_about_all_the_same() -> None:
    users = people([4])
    items = users.item_index.copy()
    items[2] = 0
    batch = ArgusExamples(users.with_columns({ITEM_INDEX: items}), config()).batch(np.array([0]))
    assert batch.item_index[batch.asked].tolist() == items.tolist()
    assert len(batch) == 4


def test_what_is_missing_or_undeclared_is_named() -> None:
    users = people([4])
    with pytest.raises(ValueError, match="hold no started"):
        ArgusExamples(
            Interactions(users.offsets, {ITEM_INDEX: users.item_index, "timestamp": users.timestamps}), config()
        )
    masks = users.column(ACTIONS).copy()
    masks[1] = 8
    with pytest.raises(ValueError, match="interaction 1 has action mask 8, the model declares"):
        ArgusExamples(users.with_columns({ACTIONS: masks}), config()).batch(np.array([0]))
