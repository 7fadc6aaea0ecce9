"""What is told of an interaction: never from its own feedback, nor its item where that is told, nor what follows."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.argus.config import ArgusConfig
from models.argus.examples import ArgusExamples
from models.argus.model import Argus
from models.columns import ACTIONS, ITEM_INDEX, STARTED, SURFACE, TIMESTAMP, VALUE
from models.interactions import Interactions
from tests.models.argus.worlds import BACKBONES, ITEMS, MINUTE, argus, config, people

Change = Callable[[np.ndarray], np.ndarray]
CHANGES: dict[str, Change] = {
    ITEM_INDEX: lambda items: items % ITEMS + 1,
    ACTIONS: lambda masks: masks ^ 6,
    VALUE: lambda values: np.where(np.isnan(values), 0.3, 1 - values).astype(np.float32),
    SURFACE: lambda codes: (codes + 2) % 3 - 1,
}


def said(model: Argus, of: ArgusConfig, users: Interactions) -> tuple[Tensor, Tensor]:
    """(L, ...) queries and logits of all interactions that may be asked about, NaN elsewhere; users have one chunk."""
    examples = ArgusExamples(users, of)
    batch = examples.batch(np.arange(len(examples)))
    with torch.no_grad():
        view = model.view(batch, None)
        count = len(users.timestamps)
        queries, logits = (torch.full((count, part.shape[1]), torch.nan) for part in (view.queries, view.logits))
        return queries.index_copy(0, batch.asked, view.queries), logits.index_copy(0, batch.asked, view.logits)


def changed(users: Interactions, names: tuple[str, ...], places: np.ndarray) -> Interactions:
    columns = {name: users.column(name).copy() for name in names}
    for name, column in columns.items():
        column[places] = CHANGES[name](column[places])
    return users.with_columns(columns)


@pytest.mark.parametrize("form", ["summed", "interleaved"])
@pytest.mark.parametrize("backbone", BACKBONES)
@settings(max_examples=8, deadline=None)
@given(
    data=st.data(), lengths=st.lists(st.integers(1, 8), min_size=1, max_size=3), together=st.sampled_from([0.0, 0.4])
)
def test_nothing_of_the_answer_or_of_what_follows_is_read(
    backbone: str, form: str, data: st.DataObject, lengths: list[int], together: float
) -> None:
    of = config(form=form, backbone=BACKBONES[backbone])
    model, users = argus(of), people(lengths, data.draw(st.integers(0, 99)), together)
    place = data.draw(st.integers(0, sum(lengths) - 1))
    own, later = np.array([place]), np.arange(place + 1, users.offsets[np.searchsorted(users.offsets, place, "right")])
    queries, logits = said(model, of, users)
    feedback_gone = changed(changed(users, (ACTIONS, VALUE), own), tuple(CHANGES), later)
    item_gone = changed(feedback_gone, (ITEM_INDEX,), own)
    assert torch.equal(said(model, of, feedback_gone)[0][place].nan_to_num(7), queries[place].nan_to_num(7))
    assert torch.equal(said(model, of, feedback_gone)[1][place].nan_to_num(7), logits[place].nan_to_num(7))
    assert torch.equal(said(model, of, item_gone)[0][place].nan_to_num(7), queries[place].nan_to_num(7))


@pytest.mark.parametrize("form", ["summed", "interleaved"])
@pytest.mark.parametrize("backbone", BACKBONES)
def test_everything_before_is_read_and_the_context_and_the_item_besides(backbone: str, form: str) -> None:
    of = config(form=form, backbone=BACKBONES[backbone])
    model, users = argus(of), people([6])
    queries, logits = said(model, of, users)
    for name in CHANGES:
        before = said(model, of, changed(users, (name,), np.array([2])))
        assert not torch.equal(before[0][4], queries[4])
        assert not torch.equal(before[1][4], logits[4])
    assert not torch.equal(said(model, of, changed(users, (SURFACE,), np.array([4])))[0][4], queries[4])
    assert not torch.equal(said(model, of, changed(users, (ITEM_INDEX,), np.array([4])))[1][4], logits[4])


@pytest.mark.parametrize("form", ["summed", "interleaved"])
def test_an_answer_that_came_late_is_not_known_early(form: str) -> None:
    """Three are shown at once, and answered one after the other: they tell nothing of each other."""
    of = config(form=form)
    users = people([5])
    started = users.column(STARTED).copy()
    started[2:] = users.timestamps[1] + MINUTE
    users = users.with_columns({STARTED: started})
    model = argus(of)
    _, logits = said(model, of, users)
    _, other = said(model, of, changed(users, tuple(CHANGES), np.array([2, 3])))
    assert torch.equal(other[4].nan_to_num(7), logits[4].nan_to_num(7))
    assert bool(logits[4].isnan().all()) == (form == "interleaved")


def test_the_time_at_which_a_later_one_ends_is_not_known() -> None:
    of, users = config(backbone=BACKBONES["hstu"]), people([6])
    times, started = users.timestamps.copy(), users.column(STARTED).copy()
    times[4:] += 9_000 * MINUTE
    started[5:] += 9_000 * MINUTE
    model = argus(of)
    moved = said(model, of, users.with_columns({TIMESTAMP: times, STARTED: started}))
    for ours, theirs in zip(said(model, of, users), moved, strict=True):
        assert torch.equal(ours[:5], theirs[:5])


@pytest.mark.parametrize("form", ["summed", "interleaved"])
@settings(max_examples=15, deadline=None)
@given(lengths=st.lists(st.integers(0, 14), min_size=1, max_size=3), seed=st.integers(0, 99))
def test_frozen_histories_end_where_they_end(form: str, lengths: list[int], seed: int) -> None:
    of, users = config(form=form), people(lengths, seed)
    frozen = users.lengths // 2
    place = np.arange(sum(lengths)) - np.repeat(users.offsets[:-1], lengths)
    asked = place >= np.repeat(frozen, lengths)
    if not asked.any():
        return
    model = argus(of)

    def logits(of_users: Interactions) -> Tensor:
        examples = ArgusExamples(of_users, of, asked, frozen)
        with torch.no_grad():
            return model(examples.batch(np.arange(len(examples))))

    ours = logits(users)
    assert len(ours) == asked.sum()
    assert torch.equal(logits(changed(users, (ACTIONS, VALUE), np.flatnonzero(asked))), ours)
    alone = np.flatnonzero(asked)[-1:]
    others = np.setdiff1d(np.flatnonzero(asked), alone)
    assert torch.equal(logits(changed(users, tuple(CHANGES), others))[-1], ours[-1])
