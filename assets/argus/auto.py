"""How ARGUS and its two towers are trained where the profile leaves it to the data: all the rules.

Those of the steps are the other models' (`assets.training.auto`), for chunks of histories in place of users.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np

from assets.argus.settings import ArgusSettings
from assets.splits.auto import HALF_LIVES_DAYS
from assets.training.auto import LENGTH_QUANTILE, SHORTEST, Recipe, Statistics, choose_steps
from assets.training.dataset import Dataset
from models.auto import Choice, Choosing, chosen_in
from models.interactions import Interactions
from models.popularity import PopularityOverTime

LONGEST = 512
"""Interactions of a chunk at most, as published."""

RECIPE = Recipe(learning_rate=2.5e-3, highest=3e-3, weight_decay=0.0, why="as published.", what="chunks of histories")
"""Of held-out users of a synthetic shop ARGUS tells more with .003 than with .002, of as many steps."""

TOWERS_RECIPE = Recipe(weight_decay=0.0, why="as published.", what="chunks of histories")

INPUT_DROPOUT, HSTU_DROPOUT = 0.1, 0.2
"""Of the input, and of HSTU's layers where these are the backbone."""

ID_MASKING = 0.2
CONTEXT_MASKING = 0.2

SAMPLE = 200_000
"""Interactions at most by which the half-lives of popularity are tried: the newest of the users."""

TOWERS = "towers."


@dataclass(frozen=True)
class Log:
    """What a ranking set says of itself.

    Attributes:
        lengths: (B,) int64 interactions of each user who did anything.
        judges: Users who judge the epochs.
        half_life_days: That of popularity which tells best what comes next.
    """

    lengths: np.ndarray
    judges: int
    half_life_days: float

    @classmethod
    def of(cls, dataset: Dataset) -> "Log":
        lengths = dataset.histories.lengths
        lengths = lengths[lengths > 0] if lengths.any() else np.ones(1, np.int64)
        judges = int((dataset.validation.lengths > 0).sum())
        half_life = best_half_life(dataset.histories, len(dataset.vocabulary), HALF_LIVES_DAYS)
        return cls(lengths, judges, half_life)

    @property
    def long(self) -> int:
        """What `LENGTH_QUANTILE` of the lengths do not exceed."""
        return ceil(np.quantile(self.lengths, LENGTH_QUANTILE))

    def in_chunks(self, longest: int) -> Statistics:
        """What the rules of the steps read: chunks of so many interactions in place of users."""
        chunks = int((-(-self.lengths // longest)).sum())
        mean = float(self.lengths.sum() / chunks)
        return Statistics(chunks, mean, self.long, 0, False, 0.0, self.judges)


def choose_backbone(settings: ArgusSettings, found: Log, workers: int) -> tuple[ArgusSettings, dict[str, Choice]]:
    """The settings with what the ranking set says where the backbone's are left to it, and the choices by key.

    Args:
        workers: Processes that each take `batch_size` chunks a step.
    """
    choose = Choosing(settings)
    length = _choose_model(choose, found)
    choose_steps(choose, found.in_chunks(length), workers, recipe=RECIPE)
    return chosen_in(settings, choose.chosen), choose.chosen


def choose_towers(
    settings: ArgusSettings, found: Log, max_length: int, workers: int
) -> tuple[ArgusSettings, dict[str, Choice]]:
    """The same of the two towers, which read `max_length` interactions."""
    choose = Choosing(settings)
    choose_steps(choose, found.in_chunks(max_length), workers, section=f"{TOWERS}optimisation", recipe=TOWERS_RECIPE)
    return chosen_in(settings, choose.chosen), choose.chosen


def _choose_model(choose: Choosing[ArgusSettings], found: Log) -> int:
    length = SHORTEST
    while length < min(found.long, LONGEST):
        length *= 2
    why = f"{LENGTH_QUANTILE:.0%} of the users have at most {found.long:,} interactions ({SHORTEST} to {LONGEST} fit)."
    length = choose("model.max_length", length, why)
    choose("model.input_dropout", INPUT_DROPOUT, "as published.")
    choose("model.backbone.dropout", HSTU_DROPOUT, "as published.")
    choose("model.id_masking", ID_MASKING, "items of which training sees little are told by what they share.")
    asked = choose.settings.release and choose.settings.learn != "feedback"
    why = "it may be released, and then finds items in a whole catalogue, where what is popular comes first."
    told = "it is not released: the next item is told as published."
    popularity = choose("model.popularity", asked, why if asked else told)
    why = "with it popularity tells best what comes next." if popularity else "not read: without popularity."
    choose("model.popularity_half_life_days", found.half_life_days, why)
    masked = CONTEXT_MASKING if asked else 0.0
    why = "who looks through a catalogue does not know the context." if asked else "it is not released."
    choose("model.context_masking", masked, why)
    return int(length)


def best_half_life(histories: Interactions, items: int, half_lives: Sequence[float]) -> float:
    """Of `half_lives` in days, that with which shares of popularity tell best what everybody does next.

    By the mean log share that each interaction's item has at the newest moment before it.
    """
    known = histories.known()
    if not len(known.timestamps):
        return half_lives[0]
    end = int(known.timestamps.max()) + 1
    some = np.linspace(0, len(known.timestamps) - 1, min(SAMPLE, len(known.timestamps))).astype(np.int64)
    times, chosen = known.timestamps[some], known.item_index[some]

    def told(half_life: float) -> float:
        popularity = PopularityOverTime.of(known, items, end, half_life)
        moment = np.searchsorted(popularity.moments, times, side="right") - 1
        counts = popularity.counts + popularity.counts.mean(1, keepdims=True) / 10 + 1e-9
        shares = counts[moment, chosen] / counts.sum(1)[moment]
        return float(np.log(shares[moment > 0]).mean()) if (moment > 0).any() else 0.0

    return max(half_lives, key=told)
