"""Training speed of ARGUS: what each of its two losses costs, and its encoder beside PyTorch's own modules.

Sides, all in one process, in turns: `both` losses, `next_item` and `feedback` alone, and `plain`, both losses on
`nn.TransformerEncoder` over padded rows in the place of the stack. Each trains one epoch on the same made-up log, data
loading included, by the loop that every model is trained by. Beside them the parts that are ARGUS' own are timed on the
same batches: the count-min sketch, and the look-ups in the hashed table with their gradient.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.figures import Figures, Report
from benchmarks.kuairand_argus import MODEL
from benchmarks.timing import Samples, interleaved, speedup
from models.argus.config import ArgusConfig, ColumnConfig, FactorConfig
from models.argus.examples import ArgusExamples
from models.argus.model import Argus
from models.argus.towers import distinct_rows
from models.columns import ACTIONS, ITEM_INDEX, STARTED, SURFACE, TIMESTAMP
from models.config.losses import InteractionLossConfig
from models.config.model import PreNormConfig
from models.config.training import TrainingConfig
from models.encoder.stack import Layout
from models.interactions import Interactions
from models.jagged import pad, token_places
from models.known import declared
from models.packing import pack
from models.samplers.mixed import MixedNegatives
from models.training.loop import fit

ITEMS, SURFACES = 7_500, 15
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Shape:
    """A model and how much of a log it is trained on.

    Attributes:
        model: Fields of `ArgusConfig`.
        users: Of the log; a step takes `batch` of them.
        shortest, longest: Interactions of a user, every number between equally likely.
        negatives: In-batch ones, and as many uniform ones.
    """

    model: dict[str, Any]
    users: int
    batch: int
    shortest: int
    longest: int
    negatives: int


SHAPES = {
    "kuairand": Shape(MODEL, 512, 64, 4, 64, 256),
    "mini": Shape({"size": "mini", "embedding": {"rows": 1 << 16, "dim": 16}}, 24, 8, 256, 512, 512),
}
"""That of the KuaiRand benchmark, and the smallest of the published ones with a smaller table."""

SMOKE = {"kuairand": Shape(MODEL, 8, 4, 2, 8, 16)}


def run(rounds: int, smoke: bool, report: Report) -> Figures:
    """Interactions per second of each side, and ratios of their times: medians over the rounds.

    Args:
        rounds: Epochs of each side that count, after one that does not.
    """
    figures: Figures = {}
    for name, shape in (SMOKE if smoke else SHAPES).items():
        log = _log(shape)
        samples = interleaved(_sides(shape, log), 1 if smoke else rounds)
        figures |= _figures(name, len(log.timestamps), samples, report)
    return figures


def _figures(name: str, interactions: int, samples: dict[str, Samples], report: Report) -> Figures:
    figures: Figures = {}
    for side in ("both", "next_item", "feedback", "plain"):
        rate = samples[side].rate(interactions)
        report(f"{name}, {side}: {rate.median:,.0f} interactions/s [{rate.low:,.0f}, {rate.high:,.0f}]")
        figures[f"{side}_per_s_{name}"] = rate.median
    ratios = {
        "both_to_next_item": speedup(samples["both"], samples["next_item"]),
        "plain_to_both": speedup(samples["plain"], samples["both"]),
        "sketch_share": speedup(samples["sketch"], samples["both"]),
        "lookup_share": speedup(samples["lookups"], samples["both"]),
    }
    for what, ratio in ratios.items():
        report(f"{name}, {what}: {ratio}")
        figures |= {
            f"{what}_{name}": ratio.median,
            f"{what}_{name}_low": ratio.low,
            f"{what}_{name}_high": ratio.high,
        }
    return figures


def _sides(shape: Shape, log: Interactions) -> dict[str, Callable[[], object]]:
    training = TrainingConfig(
        epochs=1,
        batch_size=shape.batch,
        clip_norm=1.0,
        interactions=InteractionLossConfig(in_batch=shape.negatives, uniform=shape.negatives),
    )
    config = _config(shape)
    trained = {
        "both": Argus(config, ITEMS),
        "next_item": Argus(config.model_copy(update={"factors": ()}), ITEMS),
        "feedback": Argus(config.model_copy(update={"next_item": False}), ITEMS),
        "plain": Argus(config, ITEMS),
    }
    trained["plain"].layers = PaddedTransformer(config)  # type: ignore[assignment]
    sides: dict[str, Callable[[], object]] = {
        name: partial(fit, model, log, training) for name, model in trained.items()
    }
    examples = ArgusExamples(log, config)
    loads = [load for (load,) in pack(examples.epoch(0).lengths, training, 1, 0)]
    batches = [examples.batch(load) for load in loads]
    negatives, model = MixedNegatives(training.interactions), trained["both"]

    def sketch() -> None:
        for batch in batches:
            items = batch.item_index[batch.asked]
            negatives.sketch.add(items)
            negatives.sketch.share(items[: negatives.draws])

    def lookups() -> None:
        for batch in batches:
            item = batch.item_index.unsqueeze(-1)
            for keys, codes in (
                (model.context.keys, batch.context),
                (model.items.keys, item),
                (model.shown.keys, batch.shown),
                (model.feedback.keys, batch.feedback),
            ):
                assert keys is not None
                torch.autograd.backward(model.embedding(keys(distinct_rows(codes)[0])).sum())
        model.embedding.table.grad = None

    return {**sides, "sketch": sketch, "lookups": lookups}


class PaddedTransformer(nn.Module):
    """What the stack of a transformer computes, by PyTorch's modules over padded rows."""

    def __init__(self, config: ArgusConfig) -> None:
        super().__init__()
        backbone = config.backbone
        assert isinstance(backbone, PreNormConfig)
        layer = nn.TransformerEncoderLayer(
            config.width,
            backbone.heads,
            backbone.expansion * config.width,
            backbone.dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, backbone.layers, enable_nested_tensor=False)

    def forward(self, x: Tensor, layout: Layout) -> Tensor:
        """(L, width) -> (L, width)."""
        padded = pad(x, layout.offsets)
        longest = padded.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(longest)
        # Rows are padded behind their end, where by causality nobody looks.
        encoded: Tensor = self.encoder(padded, mask=mask, is_causal=True)
        return encoded[token_places(layout.offsets)]


def _config(shape: Shape) -> ArgusConfig:
    of_item = [
        ColumnConfig(name=name, role="item", values=tuple(map(str, range(values))))
        for name, values in (("length", 32), ("tag", 110))
    ]
    surface = ColumnConfig(name=SURFACE, role="context", values=tuple(map(str, range(SURFACES))))
    actions = ("click", "like")
    return ArgusConfig.model_validate(
        {
            **shape.model,
            "actions": actions,
            "columns": (surface, *of_item),
            "factors": tuple(FactorConfig(name=action, action=action) for action in actions),
            # Counted before the first step: no part of one.
            "quality": None,
        }
    )


def _log(shape: Shape) -> Interactions:
    """Users who were shown popular items more often than others."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(shape.shortest, shape.longest + 1, shape.users)
    count = int(lengths.sum())
    items = 1 + (ITEMS * draw.random(count) ** 3).astype(np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    times = 1_650_000_000_000 + 10 * MINUTE_MS * (np.arange(count) - np.repeat(offsets[:-1], lengths))
    return Interactions(
        offsets,
        {
            ITEM_INDEX: items,
            TIMESTAMP: times,
            STARTED: times,
            ACTIONS: draw.integers(0, 4, count),
            SURFACE: draw.integers(0, SURFACES, count).astype(np.int16),
            "length": items % 32,
            "tag": items % 110,
        },
        declared({"length": "request", "tag": "request"}),
    )
