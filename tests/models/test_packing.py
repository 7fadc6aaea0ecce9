import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.config.training import TrainingConfig
from models.packing import pack

USERS = TrainingConfig(batch_size=16, seed=3)
TOKENS = TrainingConfig(tokens_per_step=20, seed=3)


def plan(lengths: list[int] | np.ndarray, config: TrainingConfig, workers: int = 1, epoch: int = 0) -> list[list[list]]:
    return [[load.tolist() for load in step] for step in pack(np.asarray(lengths), config, workers, epoch)]


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 20), min_size=1, max_size=40),
    workers=st.integers(1, 5),
    config=st.sampled_from([USERS, TOKENS]),
)
def test_every_user_once_and_no_load_over_the_limit(lengths: list[int], workers: int, config: TrainingConfig) -> None:
    steps = plan(lengths, config, workers)
    loads = [load for step in steps for load in step]
    users = sorted(user for load in loads for user in load)
    assert all(len(step) == workers for step in steps)
    assert all(loads)
    assert set(users) == set(range(len(lengths)))
    assert len(users) == max(len(lengths), len(loads))
    if config is USERS:
        assert max(map(len, loads)) <= 16
    else:
        assert max(sum(lengths[user] for user in load) for load in loads) <= 20


def test_a_load_is_as_many_users_as_fit() -> None:
    steps = plan([5] * 10, TOKENS)
    assert sorted(len(load) for (load,) in steps) == [2, 4, 4]
    assert sorted(len(load) for (load,) in plan([5] * 40, USERS)) == [8, 16, 16]


@pytest.mark.parametrize(("users", "workers", "sizes"), [(10, 3, [2, 3, 5]), (2, 4, [1, 1, 1, 1]), (64, 2, [16] * 4)])
def test_workers_take_equal_steps(users: int, workers: int, sizes: list[int]) -> None:
    steps = plan([1] * users, USERS, workers)
    assert len(steps) == len(sizes) // workers
    assert sorted(len(load) for step in steps for load in step) == sizes


def test_the_order_hangs_on_seed_and_epoch_alone() -> None:
    lengths = np.arange(1, 200) % 19 + 1
    first = plan(lengths, TOKENS, workers=2, epoch=4)
    assert plan(lengths, TOKENS, workers=2, epoch=4) == first
    assert plan(lengths, TOKENS, workers=2, epoch=5) != first
    assert plan(lengths, TOKENS.model_copy(update={"seed": 4}), workers=2, epoch=4) != first


@pytest.mark.parametrize("config", [TrainingConfig(tokens_per_step=16_384), TrainingConfig(batch_size=128)])
@pytest.mark.parametrize("exponent", [1.2, 1.5])
@pytest.mark.parametrize("workers", [2, 8])
def test_ranks_are_balanced_on_zipf_lengths(config: TrainingConfig, exponent: float, workers: int) -> None:
    lengths = np.minimum(np.random.default_rng(0).zipf(exponent, 60_000), 4096)
    work = np.array([[np.square(lengths[load]).sum() for load in step] for step in pack(lengths, config, workers, 0)])
    assert work.sum(0).max() / work.sum(0).mean() < 1.05
    # What counts besides: each step waits for its slowest worker.
    assert work.max(1).sum() / work.mean(1).sum() < 1.05


def test_a_history_longer_than_a_step_is_said() -> None:
    with pytest.raises(ValueError, match="tokens_per_step is 20, but a history has 21 tokens"):
        pack(np.array([3, 21]), TOKENS, 1, 0)
