"""What a state rests on, and how that balances what is personal and what is popular."""

from itertools import pairwise
from math import exp, log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.batch import request_batch, training_batch
from models.heads.balance import HALF_A_DAY, SCALE, SEVEN, Balance
from models.heads.evidence import Evidence
from models.interactions import Interactions

HOUR = 3_600_000
HISTORIES = st.lists(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 90 * 24 * HOUR)), max_size=6), min_size=1, max_size=5
)


def interactions(users: list[list[tuple[int, int]]]) -> Interactions:
    return Interactions.of([([item for item, _ in user], sorted(time for _, time in user)) for user in users])


@given(users=HISTORIES, after=st.integers(0, 400 * 24 * HOUR))
def test_a_request_rests_on_the_time_since_the_last_interaction_and_on_their_number(
    users: list[list[tuple[int, int]]], after: int
) -> None:
    histories = interactions(users)
    last = [max((time for _, time in user), default=0) for user in users]
    batch = request_batch(histories, np.array(last) + after, max_length=4)
    evidence = Evidence.of(batch).last(batch.offsets)
    hours = [log(1 + after / HOUR) if user else 0.0 for user in users]
    assert evidence.silence.tolist() == pytest.approx(hours, rel=1e-4, abs=1e-5)
    assert evidence.history.exp().tolist() == pytest.approx([max(1, min(4, len(user))) for user in users])


@given(users=HISTORIES)
def test_in_training_every_position_rests_on_what_stands_before_it(users: list[list[tuple[int, int]]]) -> None:
    batch, _ = training_batch(interactions(users), np.arange(len(users)), 10)
    evidence = Evidence.of(batch)
    counted = [place + 1 for user in users for place in range(len(user) - 1)]
    times = [sorted(time for _, time in user) for user in users]
    hours = [(after - time) / HOUR for user in times for time, after in pairwise(user)]
    assert evidence.history.exp().tolist() == pytest.approx(counted)
    assert evidence.silence.tolist() == pytest.approx(np.log1p(hours).tolist(), rel=1e-4, abs=1e-5)


def test_the_scale_of_what_is_personal_follows_silence_and_history() -> None:
    balance = Balance()
    evidence = Evidence(torch.tensor([HALF_A_DAY, 0.0, 2 * HALF_A_DAY]), torch.tensor([SEVEN, SEVEN, 0.0]))
    assert balance.personal(evidence).tolist() == pytest.approx([SCALE] * 3)
    balance.load_state_dict({name: torch.tensor(value) for name, value in LEARNED.items()})
    assert balance.personal(evidence).tolist() == pytest.approx([exp(1), exp(1.25), exp(0.25)])


LEARNED = {"new": 0.0, "log_scale": 1.0, "by_silence": -0.5, "by_history": 0.5, "popularity": 2.0}
