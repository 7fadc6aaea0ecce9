"""ARGUS on KuaiRand-Pure: learned of all that is known, history included, and asked from histories as they stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from benchmarks.kuairand_data import LABEL, Known, Task
from models.columns import ITEM_INDEX, STARTED, SURFACE, TIMESTAMP
from models.interactions import Interactions
from models.known import Known as When
from models.known import declared

WHEN: dict[str, When] = {
    "length": "request",
    "author": "request",
    "tag": "request",
    LABEL: "outcome",
    "click": "outcome",
}
NO_YES = ("no", "yes")
DURATIONS = 32

STEP_MS = 8 * 3_600_000
"""Between what the history lists, of which no time is known: users are shown about three a day."""

FACTORS = (LABEL, "click")
MODEL: dict[str, Any] = {
    "width": 40,
    "max_length": 64,
    "output_width": 16,
    "hidden": 64,
    "input_dropout": 0.2,
    "backbone": {"name": "transformer", "layers": 1, "heads": 2, "dropout": 0.2},
    "embedding": {"rows": 1 << 15, "dim": 8},
    "clock": ("hour",),
    "quality": {"folds": 5},
}
TRAINING: dict[str, Any] = {
    "epochs": 2,
    "batch_size": 64,
    "learning_rate": 0.002,
    "schedule": "cosine",
    "warmup": 0.05,
    "clip_norm": 1.0,
    "weight_decay": 0.01,
    "interactions": {"in_batch": 256, "uniform": 256, "delay_hours": 24.0},
}
PRETRAINING: dict[str, Any] = {**TRAINING, "learning_rates": {"embedding": 0.2}}
"""What the history teaches of single items is little and soon learned by heart."""

TUNING: dict[str, Any] = {
    **PRETRAINING,
    "epochs": 1,
    "batch_size": 128,
    "learning_rate": 0.0005,
    "warmup": 0.0,
    "interactions": {"where": SURFACE, "weights": {"next_item": 0.0}, "delay_hours": 24.0, "in_batch": 1, "uniform": 1},
}
"""The last step: what is shown on a surface, as all that is asked about is; the feedback alone."""

HSTU = {"name": "hstu_research", "layers": 1, "heads": 3, "head_dim": 32, "dropout": 0.2}
"""As many weights as the transformer has: 12 width^2."""


@dataclass(frozen=True)
class Variant:
    """How a contestant differs from ARGUS as it is tuned.

    Attributes:
        learn: What is told: both, the feedback, or the next item, by whose likelihood impressions are ranked then.
        model: What is different in `MODEL`.
        interactions: What is different in the losses.
        history: Whether what the history lists is learned from and read.
        stages: Trainings, one after the other; ablations are of the first alone.
    """

    learn: Literal["both", "feedback", "next_item"] = "both"
    model: Mapping[str, Any] = field(default_factory=dict)
    interactions: Mapping[str, Any] = field(default_factory=dict)
    history: bool = True
    stages: tuple[Mapping[str, Any], ...] = (PRETRAINING,)


ARGUS = Variant(stages=(PRETRAINING, TUNING))
ABLATIONS: dict[str, Variant] = {
    "argus_pretrained": Variant(),
    "argus_not_pretrained": Variant(stages=({**TUNING, "epochs": 4, "learning_rate": 0.002},)),
    "argus_feedback": Variant(learn="feedback"),
    "argus_next_item": Variant(learn="next_item"),
    "argus_impressions": Variant(history=False),
    "argus_without_quality": Variant(model={"quality": None}),
    "argus_no_delay": Variant(interactions={"delay_hours": 0.0}),
    "argus_hstu": Variant(model={"backbone": HSTU}),
    "argus_uncorrected": Variant(interactions={"correction": "none"}),
    "argus_refined": Variant(interactions={"correction": "refined"}),
}


def score(task: Task, seed: int, variant: Variant) -> NDArray[np.float64]:
    """(T,) logits of watching long; of a variant that tells the next item alone, those of the item.

    States are a day old at least in training, as those are that answer.
    """
    asked = Asked.of(task, variant.history)
    return asked.in_order_of_the_task(_said(pretrained(asked, seed, variant), asked.known, asked.shown))


def pretrained(asked: "Asked", seed: int, variant: Variant) -> Any:
    """The model of a variant."""
    import torch

    from models.argus.config import ArgusConfig
    from models.argus.model import Argus
    from models.config.training import TrainingConfig
    from models.training.loop import fit

    told = {**MODEL, **variant.model, **asked.columns, "next_item": variant.learn != "feedback"}
    config = ArgusConfig.model_validate(told | ({"factors": ()} if variant.learn == "next_item" else {}))
    torch.manual_seed(seed)
    model = Argus(config, asked.videos, torch.from_numpy(np.unique(asked.known.item_index)))
    for stage in variant.stages:
        interactions = {**stage["interactions"], **variant.interactions}
        fit(model, asked.known, TrainingConfig.model_validate({**stage, "interactions": interactions, "seed": seed}))
    return model


@dataclass(frozen=True)
class Asked:
    """A task as ARGUS reads it.

    Attributes:
        known: Of all users, what is learned from.
        shown: Of the same users, what is asked.
        places: (T,) int64 the place of each of `shown` in the task.
        columns: What of an interaction is read and told, as fields of the model's configuration.
        videos: How many there are.
    """

    known: Interactions
    shown: Interactions
    places: NDArray[np.int64]
    columns: Mapping[str, Any]
    videos: int

    @classmethod
    def of(cls, task: Task, with_history: bool) -> "Asked":
        coded = _Codes(task.known)
        users = pl.concat([part["user_id"] for part in (task.known.history, task.known.impressions, task.asked)])
        people = users.unique().sort().to_numpy()
        known = coded.interactions(_rows(task.known, with_history), people)
        # Days go by the dates of the log, which some times near midnight contradict: nothing is asked within the
        # history.
        over = known.timestamps.max(initial=0) + 1
        asked = task.asked.with_row_index("place").with_columns(pl.col("time_ms").clip(over))
        asked = asked.sort("user_id", "time_ms", "place")
        shown, places = coded.interactions(asked, people), asked["place"].to_numpy().astype(np.int64)
        return cls(known, shown, places, coded.columns(), len(coded.videos))

    def in_order_of_the_task(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Scores of what is shown, (T,)."""
        ordered = np.empty(len(scores))
        ordered[self.places] = scores
        return ordered


def _said(model: Any, known: Interactions, shown: Interactions) -> NDArray[np.float64]:
    """(T,) logits of what is shown."""
    from models.argus.scoring import score_impressions, score_next_item

    if not model.config.factors:
        return score_next_item(model, known, shown).astype(np.float64)
    said = score_impressions(model, known, shown)[LABEL].astype(np.float64)
    return np.log(said[:, 1]) - np.log(said[:, 0])


class _Codes:
    """What videos are, in numbers."""

    def __init__(self, known: Known) -> None:
        edges = known.videos["video_duration"].drop_nulls().quantile
        self._edges = [float(edges(place / DURATIONS) or 0) for place in range(1, DURATIONS)]
        table = known.videos.select(
            "video_id",
            pl.col("author_id").cast(pl.String).alias("author"),
            pl.col("tag").cast(pl.String).str.split(",").list.first().alias("tag"),
            "video_duration",
        ).sort("video_id")
        self.videos = table["video_id"].to_numpy()
        self.names = {name: tuple(table[name].drop_nulls().unique().sort().to_list()) for name in ("author", "tag")}
        self.names["length"] = tuple(map(str, range(DURATIONS)))
        self._codes = {name: _code(table[name], self.names[name]) for name in ("author", "tag")}
        durations = table["video_duration"].fill_null(0).to_numpy()
        self._codes["length"] = np.searchsorted(self._edges, durations).astype(np.int64)

    def columns(self) -> dict[str, Any]:
        """What of an interaction is read and told, as fields of the model's configuration."""
        from models.argus.config import ColumnConfig, FactorConfig

        surface = ColumnConfig(name=SURFACE, role="context", values=tuple(map(str, range(15))))
        of_item = [
            ColumnConfig(name=name, role="item", values=self.names[name]) for name in ("length", "author", "tag")
        ]
        feedback = [ColumnConfig(name=name, role="feedback", values=NO_YES) for name in FACTORS]
        return {
            "columns": (surface, *of_item, *feedback),
            "factors": tuple(FactorConfig(name=name, column=name) for name in FACTORS),
        }

    def interactions(self, rows: pl.DataFrame, people: NDArray[np.int64]) -> Interactions:
        """`rows` in order by user and time, of all `people`, who ascend; what is not there is empty."""
        count = rows.height
        owner = np.searchsorted(people, rows["user_id"].to_numpy())
        place = np.searchsorted(self.videos, rows["video_id"].to_numpy())
        columns: dict[str, NDArray[Any]] = {
            ITEM_INDEX: place + 1,
            TIMESTAMP: rows["time_ms"].to_numpy(),
            STARTED: rows["time_ms"].to_numpy(),
            SURFACE: _or_none(rows, "tab"),
            **{name: codes[place] for name, codes in self._codes.items()},
        }
        for name, source in ((LABEL, LABEL), ("click", "is_click")):
            columns[name] = _or_none(rows, source) if source in rows.columns else np.full(count, -1)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=len(people)))]).astype(np.int64)
        return Interactions(offsets, columns, declared(WHEN))


def _rows(known: Known, with_history: bool) -> pl.DataFrame:
    """History and impressions by user and time; the history ends an hour before the first impression of anybody."""
    first = int(known.impressions["time_ms"].min() or 0)  # type: ignore[arg-type]
    history = known.history.with_columns((first - pl.col("back").cast(pl.Int64) * STEP_MS).alias("time_ms"))
    history = history if with_history else history.clear()
    return pl.concat([history.drop("back"), known.impressions], how="diagonal_relaxed").sort(
        "user_id", "time_ms", maintain_order=True
    )


def _or_none(rows: pl.DataFrame, name: str) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = rows[name].cast(pl.Int64).fill_null(-1).to_numpy()
    return codes


def _code(values: pl.Series, names: tuple[str, ...]) -> NDArray[np.int64]:
    codes: NDArray[np.int64] = values.cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    return codes
