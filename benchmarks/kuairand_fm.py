"""A factorisation machine (Rendle 2010) on user, video, author, surface and class of duration, as TechJam 2026's is."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import polars as pl
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.kuairand_data import LABEL, Known, Task
from models.evaluation.own_impressions import OWN_METRICS, PRIMARY, OwnImpressions

FIELDS = ("user_id", "video_id", "author_id", "tab", "duration_class")
FACTORS = 16
DURATION_CLASSES = 10
BATCH, LEARNING_RATE, WEIGHT_DECAY = 8192, 1e-3, 1e-6
EPOCHS, PATIENCE = 15, 3
NO_TAB = -1
"""Stands for the surface of what the history lists, which does not name it."""


class FactorisationMachine(nn.Module):
    """Bias, linear terms and pairwise products of the fields' factors.

    Args:
        rows: Values of all fields together.
    """

    def __init__(self, rows: int, generator: torch.Generator) -> None:
        super().__init__()
        self.factors = nn.Embedding(rows, FACTORS)
        self.weights = nn.Embedding(rows, 1)
        self.bias = nn.Parameter(torch.zeros(1))
        nn.init.normal_(self.factors.weight, std=0.01, generator=generator)
        nn.init.zeros_(self.weights.weight)

    def forward(self, rows: Tensor) -> Tensor:
        """(T,) logits of `rows` (T, fields)."""
        factors = self.factors(rows)
        total = factors.sum(1)
        pairs = ((total * total).sum(1) - (factors * factors).sum((1, 2))) / 2
        logits: Tensor = self.bias + self.weights(rows).sum((1, 2)) + pairs
        return logits


@dataclass(frozen=True)
class Encoding:
    """The values of every field that were learned from; all others of a field share one row behind them.

    Attributes:
        values: Of each field, ascending.
        of_video: `video_id`, `author_id`, `duration_class`.
    """

    values: tuple[NDArray[np.int64], ...]
    of_video: pl.DataFrame

    @classmethod
    def of(cls, learned: pl.DataFrame, videos: pl.DataFrame) -> "Encoding":
        durations = videos.select("video_id", pl.col("video_duration").fill_null(0))
        shown = learned.join(durations, on="video_id", how="left")["video_duration"].fill_null(0)
        edges = np.quantile(shown.to_numpy(), np.linspace(0, 1, DURATION_CLASSES + 1)[1:-1])
        classes = np.searchsorted(edges, durations["video_duration"].to_numpy())
        of_video = videos.select("video_id", "author_id", pl.Series("duration_class", classes))
        columns = _columns(learned, of_video)
        return cls(tuple(np.unique(column) for column in columns), of_video)

    @property
    def rows(self) -> int:
        return sum(len(values) + 1 for values in self.values)

    def encoded(self, asked: pl.DataFrame) -> Tensor:
        """(T, fields) int64 rows."""
        start, columns = 0, []
        for values, column in zip(self.values, _columns(asked, self.of_video), strict=True):
            place = np.minimum(np.searchsorted(values, column), len(values) - 1)
            columns.append(start + np.where(values[place] == column, place, len(values)))
            start += len(values) + 1
        return torch.from_numpy(np.stack(columns, axis=1))


def score(task: Task, seed: int, history: bool = True) -> NDArray[np.float64]:
    """(T,) logits: as many epochs as are best on the last known day, then once more on all known days.

    Args:
        history: Whether to learn from the labelled history, too, of which no surface is known.
    """
    before, last_day = task.known.before_last(1)
    users, watched = last_day["user_id"].to_numpy(), last_day[LABEL].to_numpy() > 0
    best, epochs = -np.inf, 0
    for epoch, logits in enumerate(islice(_epochs(before, last_day, seed, history), EPOCHS), start=1):
        own = OwnImpressions.of(users, logits, watched)
        primary = own.metrics(np.ones((1, len(own))))[0, OWN_METRICS.index(PRIMARY)]
        if primary > best:
            best, epochs = primary, epoch
        elif epoch == epochs + PATIENCE:
            break
    *_, logits = islice(_epochs(task.known, task.asked, seed, history), epochs)
    return logits


def _epochs(known: Known, asked: pl.DataFrame, seed: int, history: bool) -> Iterator[NDArray[np.float64]]:
    """The logits of what is asked after each epoch on what is known."""
    of_history = known.history.with_columns(pl.lit(NO_TAB, pl.Int64).alias("tab"))
    parts = [of_history, known.impressions] if history else [known.impressions]
    learned = pl.concat([part.select("user_id", "video_id", pl.col("tab").cast(pl.Int64), LABEL) for part in parts])
    encoding = Encoding.of(learned, known.videos)
    rows, labels = encoding.encoded(learned), torch.from_numpy(learned[LABEL].to_numpy().astype(np.float32))
    wanted = encoding.encoded(asked)
    generator = torch.Generator().manual_seed(seed)
    model = FactorisationMachine(encoding.rows, generator)
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    while True:
        for batch in torch.split(torch.randperm(len(labels), generator=generator), BATCH):
            loss = F.binary_cross_entropy_with_logits(model(rows[batch]), labels[batch])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        with torch.no_grad():
            yield torch.cat([model(part) for part in torch.split(wanted, BATCH)]).double().numpy()


def _columns(table: pl.DataFrame, of_video: pl.DataFrame) -> list[NDArray[np.int64]]:
    whole = table.join(of_video, on="video_id", how="left", maintain_order="left")
    return [whole[name].fill_null(-1).to_numpy().astype(np.int64) for name in FIELDS]
