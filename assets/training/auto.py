"""How a model is trained where the profile leaves it to the data: all the rules, in the order in which they are asked.

They read the training set alone. Starting points are what did best over a dozen public logs of 600 to 100,000 users; a
rule is changed here and nowhere else.
"""

from dataclasses import dataclass
from math import ceil, floor, sqrt
from typing import Any

import numpy as np

from assets.training.dataset import Dataset
from assets.training.settings import TrainingSettings
from models.auto import Choice, Choosing, chosen_in, value_at
from models.cold_start import ColdRates
from models.columns import ID_MASKED
from models.config.model import TrainedConfig

USERS_A_STEP = {0: 32, 5_000: 64, 50_000: 128}
"""From so many users on, so many a step, over all workers: small steps learn most from few users."""

EPOCHS, LEAST_STEPS, MOST_STEPS = 20, 1_000, 2_000
"""So many epochs, but no fewer and no more steps: the rate falls to zero over them, and a longer way overfits before it
has fallen."""

MOST_EPOCHS = 100
"""Few users would be seen more often than that."""

FEWEST_EPOCHS, FEWEST_EPOCHS_STEPS = 8, 20_000
"""Many users are seen so often all the same, unless that takes more steps: of 24,000 and 40,000 models learned too
little in 2,000 steps, which were 5 and 3 epochs."""

LEARNING_RATE, HIGHEST_LEARNING_RATE, LEARNING_RATE_INTERACTIONS = 1e-3, 2e-3, 2_000
"""The rate of a step over so many interactions; over more it grows with the root of their number."""

WARMUP = 0.05

WARM_SHARE = 0.1
"""Of the epochs of a training from scratch, a night that goes on from another version has so many at most. From scratch
half of them are often enough, so this is a fifth of what is trained then; and the chain sees the same users every
night, whom it would learn by heart."""

WARM_RATE, WARM_WARMUP = 0.5, 0.1
"""Its learning rate, in that from scratch, and over which share of its steps it rises: the parent ended with none."""

PATIENCE_SHARE, LEAST_PATIENCE = 1 / 3, 5
"""Training ends after so many of its epochs without gain; a few hundred users judge no finer."""

NEGATIVES = 512
NEGATIVES_SHARE = 0.01
"""Of the items with an ID, where that is more: a number would be ever less of a catalogue that grows (Netflix, arXiv
2605.23312)."""

MOST_COLD_NEGATIVES = 0.5
"""Of the negatives, so many keep their ID in any case: a catalogue of which little is in use would hide all others."""

WEIGHT_DECAY = 0.1
DROPOUT = 0.2
ID_MASKING = 0.1
"""Fewer hidden IDs than that teach the content too little, however rarely one is missing."""

MOST_MASKED = 0.5

SHORTEST, LONGEST = 16, 200
LENGTH_QUANTILE = 0.95
"""The model sees so many of all histories whole."""

PADDING = 11

TEMPERATURE = 0.05


@dataclass(frozen=True)
class Recipe:
    """What differs between models in how their steps are chosen.

    Attributes:
        learning_rate: Of a step over `LEARNING_RATE_INTERACTIONS` interactions; over more it grows with the root.
        highest: Up to this.
        weight_decay: The optimiser's.
        why: Of the decay, a sentence.
        what: What a step takes some of, as a sentence calls it.
    """

    learning_rate: float = LEARNING_RATE
    highest: float = HIGHEST_LEARNING_RATE
    weight_decay: float = WEIGHT_DECAY
    why: str = "did best over public logs."
    what: str = "users"


@dataclass(frozen=True)
class Statistics:
    """What a training set says of itself.

    Attributes:
        users: Users with a next item to learn.
        mean_length, long: Interactions of a user: the mean, and what `LENGTH_QUANTILE` of them do not exceed.
        trained_items: Items with an ID.
        has_content: Whether any item has content.
        cold_share: Share of the items that are too new to have an ID.
        judges: Users who judge the epochs.
        cold_events, cold_positives: Share of what a version of the day before read, and of what was chosen after it,
            that had no ID then.
        new_labels: Share of the interactions whose ID is hidden, as the item was new.
    """

    users: int
    mean_length: float
    long: int
    trained_items: int
    has_content: bool
    cold_share: float
    judges: int
    cold_events: float = 0.0
    cold_positives: float = 0.0
    new_labels: float = 0.0

    @classmethod
    def of(cls, dataset: Dataset) -> "Statistics":
        lengths, rates = dataset.histories.lengths, dataset.cold_rates or ColdRates(0.0, 0.0)
        lengths = lengths[lengths > 1] if (lengths > 1).any() else np.ones(1, np.int64)
        return cls(
            users=int((dataset.histories.lengths > 1).sum()),
            mean_length=float(lengths.mean()),
            long=ceil(np.quantile(lengths, LENGTH_QUANTILE)),
            trained_items=len(dataset.vocabulary.trained),
            has_content=bool(dataset.content.any()),
            cold_share=dataset.cold_share,
            judges=len(dataset.validation),
            cold_events=rates.events,
            cold_positives=rates.positives,
            new_labels=float(dataset.histories.column(ID_MASKED).mean()) if dataset.histories.offsets[-1] else 0.0,
        )


@dataclass(frozen=True)
class Parent:
    """The version from whose weights a training may go on.

    Attributes:
        config: Its model's configuration.
    """

    version: str
    config: TrainedConfig


def choose_training(
    settings: TrainingSettings, found: Statistics, workers: int, parent: Parent | None = None
) -> tuple[TrainingSettings, dict[str, Choice]]:
    """The settings with what the training set says where they are left to it, and the choices by key.

    Args:
        workers: Processes that each take `batch_size` users a step.
        parent: What training goes on from; None: from scratch.
    """
    choose = Choosing(settings)
    choose_steps(choose, found, workers, parent)
    _choose_loss(choose, found)
    _choose_model(choose, found)
    if parent:
        _choose_as_parent(choose, parent)
    return chosen_in(settings, choose.chosen), choose.chosen


def _choose_as_parent(choose: Choosing[TrainingSettings], parent: Parent) -> None:
    """The shape of the parent: what the data say by now is for the next training from scratch."""
    for path in ("max_length", "attention_divisor", "popularity"):
        if hasattr(parent.config, path):
            why = f"as {parent.version} has it, from which training goes on; from scratch the data say."
            choose(f"model.{path}", getattr(parent.config, path), why)


def choose_steps(
    choose: Choosing[Any],
    found: Statistics,
    workers: int,
    parent: Parent | None = None,
    section: str = "optimisation",
    recipe: Recipe = Recipe(),
) -> None:
    """How long a model is trained, in which steps, and when that ends early.

    Args:
        parent: What training goes on from; None: from scratch.
        section: The path of the `TrainingConfig` within the settings.
        recipe: What is the model's own.
    """
    what = recipe.what
    wanted = max(some for users, some in USERS_A_STEP.items() if found.users >= users)
    among = f" over {workers} workers" if workers > 1 else ""
    why = f"{found.users:,} {what} learn best from about {wanted} a step{among}."
    batch = choose(f"{section}.batch_size", max(1, wanted // workers), why)
    tokens = value_at(choose.settings, f"{section}.tokens_per_step")
    together = workers * (max(1.0, tokens / found.mean_length) if tokens else batch)
    steps = max(1, ceil(found.users / together))
    few = min(FEWEST_EPOCHS * steps, FEWEST_EPOCHS_STEPS)
    wished = round(max(few, min(MOST_STEPS, max(LEAST_STEPS, EPOCHS * steps))) / steps)
    wished = max(1, min(MOST_EPOCHS, wished))
    told = f"{found.users:,} {what} make {steps:,} steps an epoch"
    why = f"{told}, so {wished} epochs are about {wished * steps:,} steps."
    if parent:
        fewer = max(1, floor(WARM_SHARE * wished))
        why = f"training goes on from {parent.version}: at most {WARM_SHARE:.0%} of the {wished} epochs from scratch."
        wished = fewer
    epochs = choose(f"{section}.epochs", wished, why)
    if found.judges and parent:
        why = f"all {epochs} epochs are trained; {found.judges:,} users judge which one is kept."
        choose(f"{section}.patience", epochs, why)
    elif found.judges:
        patience = max(LEAST_PATIENCE, round(PATIENCE_SHARE * epochs))
        why = f"a third of {epochs} epochs, at least {LEAST_PATIENCE}; {found.judges:,} users judge which one is kept."
        choose(f"{section}.patience", patience, why)
    else:
        choose(f"{section}.patience", 0, "no user could be held out to judge the epochs.")
    seen = min(found.mean_length, LONGEST) * together
    rate = min(recipe.highest, recipe.learning_rate * max(1.0, sqrt(seen / LEARNING_RATE_INTERACTIONS)))
    rate = float(f"{rate:.2g}")
    why = f"{recipe.learning_rate:g} for {LEARNING_RATE_INTERACTIONS:,} interactions a step"
    why = f"{why}, more for more: {seen:,.0f} here."
    if parent:
        rate = float(f"{WARM_RATE * rate:.2g}")
        why += f" Times {WARM_RATE:g}, as the parent has settled."
    choose(f"{section}.learning_rate", rate, why)
    choose(f"{section}.schedule", "cosine", "the rate falls to zero, so that the last epochs settle.")
    warmup = WARM_WARMUP if parent else WARMUP
    choose(f"{section}.warmup", warmup, f"the rate rises over {warmup:.0%} of the steps.")
    choose(f"{section}.weight_decay", recipe.weight_decay, recipe.why)


def _choose_loss(choose: Choosing[TrainingSettings], found: Statistics) -> None:
    negatives = max(1, min(NEGATIVES, found.trained_items))
    why = f"{NEGATIVES:,}, but no more than the {found.trained_items:,} items with an ID."
    choose("optimisation.loss.negatives", negatives, why)
    runs = value_at(choose.settings, "optimisation.loss.positions_per_draw")
    why = "one draw for all positions of a step is several times as fast."
    shared = choose(
        "optimisation.loss.shared", runs == 1, why if runs == 1 else f"{runs} positions have a draw in common."
    )
    _choose_share(choose, found, shared)
    if found.has_content:
        cold = float(f"{min(MOST_COLD_NEGATIVES, found.cold_share):.3g}")
        why = f"{found.cold_share:.0%} of the catalogue are too new to have an ID"
        why += f"; no more than {MOST_COLD_NEGATIVES:.0%} are hidden." if found.cold_share > cold + 0.001 else "."
    else:
        cold, why = 0.0, "no item has content that could stand in for its ID."
    choose("optimisation.loss.cold_negatives", cold, why)
    more = max(0.0, found.cold_positives - found.new_labels) / (1 - found.new_labels) if found.new_labels < 1 else 0.0
    told = f"{found.cold_positives:.1%} of what was last chosen had no ID the night before"
    why = f"{told}, and {found.new_labels:.1%} of the labels were new." if found.has_content else why
    choose("optimisation.loss.label_masking", float(f"{min(MOST_MASKED, more):.3g}") if found.has_content else 0.0, why)


def _choose_share(choose: Choosing[TrainingSettings], found: Statistics, shared: bool) -> None:
    share = 0.0
    if "optimisation.loss.negatives" not in choose.settings.left_to_data:
        why = "how many negatives there are is written by hand."
    elif value_at(choose.settings, "optimisation.loss.source") != "uniform":
        why = "a share is of items that are drawn uniformly."
    elif not shared:
        why = "a share is drawn once for all positions of a step."
    elif NEGATIVES_SHARE * found.trained_items <= NEGATIVES:
        why = f"{NEGATIVES_SHARE:.0%} of the {found.trained_items:,} items with an ID are no more than {NEGATIVES:,}."
    else:
        share = NEGATIVES_SHARE
        why = f"{share:.0%} of the {found.trained_items:,} items with an ID are more than {NEGATIVES:,}."
    choose("optimisation.loss.negatives_share", share, why)


def _choose_model(choose: Choosing[TrainingSettings], found: Statistics) -> None:
    popularity = choose("model.popularity", True, "on short histories, most of what can be known is what is popular.")
    why = "not read: the head learns the scale itself." if popularity else "as published, without popularity."
    choose("optimisation.loss.temperature", TEMPERATURE, why)
    length = SHORTEST
    while length < min(found.long, LONGEST):
        length *= 2
    free = "model.attention_divisor" in choose.settings.left_to_data
    most = LONGEST if free else getattr(choose.settings.model, "attention_divisor", LONGEST)
    why = f"{LENGTH_QUANTILE:.0%} of the users have at most {found.long:,} interactions ({SHORTEST} to {LONGEST} fit)."
    length = choose("model.max_length", min(length, LONGEST, most), why)
    why = f"{length} + {PADDING}, the padded width of the published code."
    choose("model.attention_divisor", length + PADDING, why)
    for path in ("model.input_dropout", "model.backbone.dropout"):
        choose(path, DROPOUT, "as published.")
    if found.has_content:
        hidden = float(f"{min(MOST_MASKED, max(ID_MASKING, found.cold_events)):.3g}")
        why = f"{found.cold_events:.1%} of what was last read had no ID the night before; at least {ID_MASKING:.0%}."
    else:
        hidden, why = 0.0, "no item has content that could stand in for its ID."
    choose("id_masking", hidden, why)
    choose("hide_new", False, "most of a history's items have an ID by the time it is read.")
