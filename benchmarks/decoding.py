"""What decoding costs by the number of items: a full softmax against a share of the items and a projected head.

`full` is the textbook's softmax over all rows of a table as wide as the model, as lean as PyTorch can be: three matrix
products in place, and no look-ups. `cheap` is the project's own objective, item tower and head, with 1 % of the items
and an eighth of the width: drawing, look-ups, both projections, loss, and all gradients down to the item table.
Serving one user is scoring all items and taking the best, from the wide table and from the narrow one.

What both have in common is left out: the encoder, and the optimiser's pass over the table, which is timed beside them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from rich.table import Table
from torch import Tensor

from benchmarks.figures import Figures, Report
from benchmarks.timing import Samples, Side, Spread, interleaved
from models.batch import training_batch
from models.config.losses import SampledSoftmaxConfig
from models.config.model import HstuConfig, ModelConfig
from models.config.training import TrainingConfig
from models.heads.evidence import Evidence
from models.interactions import Interactions
from models.memory import keep_freed_memory
from models.objectives.next_item import NEXT_ITEM, NextItem
from models.recommender import Positions, Recommender
from models.top_k import top_k
from models.training.optimizer import make_optimizer

SHARE, NARROWER, K = 0.01, 8, 100
POSITIONS = 2_048
"""Of a step, as many as the learning rate is made for (`assets.training.auto`)."""

TEMPERATURE = 0.05
LOGITS_AT_ONCE = 1 << 27
"""Of the full softmax: half a gigabyte."""
ITEMS_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Scale:
    """A catalogue, and what fits into 8 GiB with it.

    Attributes:
        width: Of the model.
        full: Positions over which the full softmax is timed, whose cost is in proportion to them.
        optimizer: Whether the optimiser's pass over the table is timed, too; its state is twice the table.
    """

    name: str
    items: int
    width: int
    full: int
    optimizer: bool


SCALES = (
    # The table of the wide model and its gradient would take 20 GB.
    Scale("1e7", 10_000_000, 64, 26, False),
    Scale("1e6", 1_000_000, 256, 128, True),
    Scale("1e5", 100_000, 256, 512, True),
)
"""The largest first, as the memory of the others stays with the process (`models.memory`)."""

SMOKE = (Scale("1e3", 1_000, 16, 64, True),)


def run(rounds: int, smoke: bool, report: Report) -> Figures:
    """How many times cheaper a position of a training step is, and an answer to one user, by the number of items."""
    keep_freed_memory()
    figures: Figures = {"threads": torch.get_num_threads()}
    table = Table(
        "items", "width", "full", "cheap", "ratio", "by FLOPs", "serving", title="Decoding, ms of 1,000 positions"
    )
    for scale in SMOKE if smoke else SCALES:
        told = _measured(scale, 1 if smoke else rounds)
        report(f"{scale.items:,} items: {told}")
        figures |= {f"{name}_{scale.name}": value for name, value in told.items()}
        table.add_row(
            f"{scale.items:,}",
            f"{scale.width} -> {scale.width // NARROWER}",
            *(f"{1e6 * told[f'{side}_s_per_position']:,.0f}" for side in ("full", "cheap")),
            *(f"{told[name]:,.1f} x" for name in ("ratio", "flops_ratio", "serving_ratio")),
        )
    report(table)
    return figures


def _measured(scale: Scale, rounds: int) -> Figures:
    decoding = Decoding(scale)
    sides: dict[str, Side] = {
        "full": decoding.full_step,
        "cheap": decoding.cheap_step,
        "full_answer": partial(decoding.answer, projected=False),
        "cheap_answer": partial(decoding.answer, projected=True),
    }
    if scale.optimizer:
        sides["optimizer"] = decoding.optimizer_step
    samples = interleaved(sides, rounds)
    each = {"full": scale.full, "cheap": POSITIONS}
    ratio = _ratio(samples, "full", "cheap", POSITIONS / scale.full)
    serving = _ratio(samples, "full_answer", "cheap_answer")
    return {
        "ratio": ratio.median,
        "ratio_low": ratio.low,
        "ratio_high": ratio.high,
        "flops_ratio": flops(scale, projected=False) / flops(scale, projected=True),
        **{f"{side}_s_per_position": samples[side].spread.median / count for side, count in each.items()},
        "serving_ratio": serving.median,
        "serving_ratio_low": serving.low,
        "serving_ratio_high": serving.high,
        **{f"{side}_s": samples[side].spread.median for side in sides if side not in each},
    }


def _ratio(samples: Mapping[str, Samples], slow: str, fast: str, by: float = 1.0) -> Spread:
    """How many times `by` one takes as long as the other, round by round."""
    pairs = zip(samples[slow].seconds, samples[fast].seconds, strict=True)
    return Spread.of(tuple(by * long / short for long, short in pairs))


def flops(scale: Scale, projected: bool) -> float:
    """Of the products of one position, forward; each way back costs twice that. Items are projected once a step."""
    if not projected:
        return 2.0 * scale.items * scale.width
    narrow, drawn = scale.width // NARROWER, SHARE * scale.items
    return 2.0 * (scale.width * narrow + drawn * narrow + drawn * scale.width * narrow / POSITIONS)


class Decoding:
    """One table of items, and both ways to decode with it; gradients are dropped after each step, as in training."""

    def __init__(self, scale: Scale) -> None:
        torch.manual_seed(0)
        self.scale = scale
        backbone = HstuConfig(layers=1, heads=1, head_dim=8)
        config = ModelConfig(
            width=scale.width, max_length=POSITIONS + 1, decoding_width=scale.width // NARROWER, backbone=backbone
        )
        self.model = Recommender(config, [], scale.items)
        self.table = self.model.items.ids.weight
        loss = SampledSoftmaxConfig(negatives=1, negatives_share=SHARE, shared=True, temperature=TEMPERATURE)
        self.objective = NextItem(loss.over(scale.items))
        self.generator = torch.Generator().manual_seed(0)
        items = torch.randint(1, scale.items + 1, (POSITIONS + 1,), generator=self.generator).tolist()
        self.batch, self.labels = training_batch(
            Interactions.of([(items, list(range(POSITIONS + 1)))]), np.arange(1), POSITIONS + 1
        )
        self.states = torch.randn(POSITIONS, scale.width, requires_grad=True)
        with torch.no_grad():
            every = torch.arange(scale.items + 1)
            parts = torch.tensor_split(every, -(-len(every) // ITEMS_AT_ONCE))
            self.narrow = torch.cat([self.model.head.items(self.model.items(part), part) for part in parts])
        self.evidence = Evidence(torch.zeros(1), torch.zeros(1))
        self.allowed = np.ones(scale.items + 1, bool)
        self.allowed[0] = False
        self.optimizer = make_optimizer(self.model, TrainingConfig())

    def cheap_step(self) -> None:
        """Forward and backward of the project's loss, from the states of `POSITIONS` positions."""
        view = Positions(self.model, self.batch, self.labels, self.generator)
        view.states = self.states
        self.objective(view)[NEXT_ITEM].backward()
        self.states.grad = None
        self.model.zero_grad(set_to_none=True)

    @torch.no_grad()
    def full_step(self) -> tuple[Tensor, Tensor, Tensor]:
        """The loss over all rows, and its gradient by queries and table."""
        positions = self.scale.full
        queries, labels = self.states[:positions] / TEMPERATURE, self.labels.item_index[:positions]
        loss, by_query, by_table = torch.zeros(()), torch.empty_like(queries), torch.zeros_like(self.table)
        chunk = max(1, LOGITS_AT_ONCE // len(self.table))
        for start in range(0, positions, chunk):
            part = slice(start, start + chunk)
            own = labels[part, None]
            shares = queries[part] @ self.table.T
            # As with unit vectors no shift is needed: no logit is large.
            loss -= shares.gather(1, own).sum()
            total = shares.exp_().sum(1, keepdim=True)
            loss += total.log().sum()
            shares.div_(total * positions)
            shares.scatter_add_(1, own, torch.full_like(own, -1 / positions, dtype=shares.dtype))
            by_query[part] = shares @ self.table
            by_table.addmm_(shares.T, queries[part])
        return loss / positions, by_query, by_table

    @torch.no_grad()
    def answer(self, projected: bool) -> np.ndarray:
        """The best items for one user."""
        state = self.states[:1]
        vectors = self.narrow if projected else self.table
        query = self.model.head(state, self.evidence) if projected else state
        return top_k((vectors @ query[0]).numpy(), self.allowed, K)

    def optimizer_step(self) -> None:
        """The optimiser's pass over the item table, whose gradient is dense however few rows were looked up."""
        self.table.grad = torch.zeros_like(self.table)
        self.optimizer.step()
        self.table.grad = None
