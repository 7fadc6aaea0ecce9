from pathlib import Path

import numpy as np

from models.columns import ITEM_INDEX, TIMESTAMP
from models.config.training import StochasticLengthConfig, TrainingConfig, WindowsConfig
from models.interactions import Interactions
from models.next_items import NextItemExamples, NextItems

CONFIG = TrainingConfig(
    epochs=4,
    seed=3,
    stochastic_length=StochasticLengthConfig(alpha=1.5, selection="random"),
    windows=WindowsConfig(sampling="sliding"),
)


def test_users_too_short_to_learn_from_change_nothing_for_the_others() -> None:
    rng = np.random.default_rng(0)
    users = [(rng.integers(1, 9, n), np.sort(rng.integers(0, 10**9, n))) for n in rng.integers(2, 60, 20)]
    short = [([3], [5]), ([], []), ([0, 4], [1, 2])]
    alone = NextItemExamples(Interactions.of(users), 16, CONFIG)
    mixed = NextItemExamples(Interactions.of([short[0], *users[:7], *short[1:], *users[7:]]), 16, CONFIG)
    chosen = np.array([0, 6, 7, 19])
    for number in range(CONFIG.epochs):
        one, other = alone.epoch(number), mixed.epoch(number)
        assert one.lengths.tolist() == other.lengths.tolist()
        assert one.whole.tolist() == other.whole.tolist()
        ours, theirs = one.batch(chosen), other.batch(chosen)
        assert isinstance(ours, NextItems)
        assert isinstance(theirs, NextItems)
        assert ours.inputs.item_index.tolist() == theirs.inputs.item_index.tolist()
        assert ours.labels.item_index.tolist() == theirs.labels.item_index.tolist()


def test_a_log_on_disk_is_read_where_it_lies(tmp_path: Path) -> None:
    items, times = np.tile(np.array([1, 2, 3], np.int32), 1000), np.tile(np.arange(3), 1000)
    for name, column in ((ITEM_INDEX, items), (TIMESTAMP, times)):
        np.save(tmp_path / f"{name}.npy", column)
    mapped = {name: np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in (ITEM_INDEX, TIMESTAMP)}
    examples = NextItemExamples(Interactions(np.arange(0, 3001, 3), mapped), 8, TrainingConfig())
    held = [value for value in vars(examples).values() if isinstance(value, Interactions)]
    assert len(held) == 1
    assert np.shares_memory(held[0].item_index, mapped[ITEM_INDEX])
    assert np.shares_memory(held[0].timestamps, mapped[TIMESTAMP])
