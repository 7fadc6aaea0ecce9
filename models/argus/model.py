"""ARGUS: what comes next, and what comes of it, from everything that happened (arXiv 2507.15994)."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

from models.argus.batch import ArgusBatch
from models.argus.config import ArgusConfig
from models.argus.embeddings import HashedEmbedding
from models.argus.features import context_names, feedback_names
from models.argus.next_item_head import NextItemHead
from models.argus.quality import Quality
from models.argus.towers import ArgusItemTower, FeatureTower
from models.config.model import HstuConfig, PreNormConfig
from models.dropout import Dropout
from models.encoder.hstu import HstuLayer
from models.encoder.softmax_hstu import SoftmaxHstuLayer
from models.encoder.stack import AttentionLayer, Layout, Stack
from models.encoder.stu import StuLayer
from models.encoder.transformer import PreNormLayer
from models.heads.actions import FIRST_ANSWERS
from models.heads.calendar import HOUR_MS
from models.heads.evidence import Evidence
from models.jagged import token_places
from models.mlp import EPS, mlp


class Argus(nn.Module):
    """Context, item and feedback of every interaction, encoded causally, with a head for the next item and one for what
    comes of it (ARGUS spec section 2).

    Args:
        config: Shape and function of the model.
        items, trained, content: As in `models.argus.towers.ArgusItemTower`.
    """

    def __init__(
        self, config: ArgusConfig, items: int, trained: Tensor | None = None, content: Tensor | None = None
    ) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.embedding = HashedEmbedding(config.embedding)
        self.context = FeatureTower(config, self.embedding, context_names(config))
        self.items = ArgusItemTower(config, self.embedding, items, trained, content)
        self.shown = FeatureTower(config, self.embedding, [column.name for column in config.of_role("item")])
        self.feedback = FeatureTower(config, self.embedding, feedback_names(config))
        start = torch.empty(width).normal_(std=0.02)
        # A weight that nothing reads would stop several workers: the first token of a row has nothing before it.
        self.start = nn.Parameter(start) if config.form == "summed" else None
        self.positions = nn.Parameter(torch.empty(config.longest_row, width).normal_(std=0.02))
        self.dropout = Dropout(config.input_dropout)
        self.layers = Stack(layer_of(config) for _ in range(config.backbone.layers))
        self.norm = nn.LayerNorm(width, eps=EPS)
        # In the interleaved form the states have read context and item themselves.
        parts = (2, 3) if config.form == "summed" else (1, 1)
        classes = sum(map(config.classes, config.factors))
        self.next_item = NextItemHead(config, parts[0] * width, items) if config.next_item else None
        self.told = mlp(parts[1] * width, config.hidden, classes) if classes else None
        self.quality = Quality(config, config.quality, items) if classes and config.quality else None

    def forward(self, batch: ArgusBatch) -> Tensor:
        """(T, classes) logits of the classes of all factors, side by side, of those that the batch asks about."""
        return self.view(batch, None).logits

    def view(self, batch: ArgusBatch, generator: torch.Generator | None) -> "Asked":
        """What objectives see of a batch.

        Raises:
            ValueError: a row is longer than the model reads.
        """
        context, item, states = self.read(batch, generator)
        asked = batch.asked
        if self.start is not None:
            known = torch.cat([states, self.start.to(states.dtype).unsqueeze(0)])[batch.states]
            of_context = torch.cat([known, context[asked]], dim=-1)
            return Asked(self, batch, generator, of_context, torch.cat([of_context, item[asked]], dim=-1))
        place = 3 * batch.states
        return Asked(self, batch, generator, states[place], states[place + 1])

    def read(self, batch: ArgusBatch, generator: torch.Generator | None) -> tuple[Tensor, Tensor, Tensor]:
        """(M, width) contexts and items of a batch, and (tokens * L, width) the states of what it reads.

        Raises:
            ValueError: a row is longer than the model reads.
        """
        longest = int(batch.offsets.diff().max()) if len(batch.users) else 0
        if longest > self.config.max_length:
            row = int(batch.offsets.diff().argmax())
            raise ValueError(
                f"row {row} has {longest} interactions, the model takes {self.config.max_length}: keep the most recent"
            )
        masked = self._hidden(batch, generator) if self.training and self.items.keys is not None else None
        context = self.context(self._known_context(batch.context, generator))
        item = self.items(batch.item_index, masked) + self.shown(batch.shown)
        return context, item, self._encode(context, item, batch)

    def _hidden(self, batch: ArgusBatch, generator: torch.Generator | None) -> Tensor | None:
        """(M,) bool, the interactions whose item's ID training hides: some at random, and those with a new item."""
        masked = None
        if self.items.id_masking:
            masked = torch.rand(batch.item_index.shape, generator=generator, device=batch.item_index.device)
            masked = masked < self.items.id_masking
        if self.next_item is not None and self.next_item.popularity is not None:
            new = self.next_item.was_new(batch.item_index, batch.started)
            masked = new if masked is None else masked | new
        return masked

    def _known_context(self, codes: Tensor, generator: torch.Generator | None) -> Tensor:
        """(M, features) the codes, in training without what comes from columns for some of the M."""
        columns = len(self.config.of_role("context"))
        if not (self.training and columns and self.config.context_masking):
            return codes
        hidden = torch.rand(len(codes), 1, generator=generator, device=codes.device) < self.config.context_masking
        is_column = torch.arange(codes.shape[1], device=codes.device) >= codes.shape[1] - columns
        return codes.masked_fill(hidden & is_column, 0)

    def _encode(self, context: Tensor, item: Tensor, batch: ArgusBatch) -> Tensor:
        """(tokens * L, width) raw states, normed: of each interaction, or of its context, its item and its feedback."""
        read, feedback = batch.read, self.feedback(batch.feedback)
        if self.config.form == "summed":
            tokens = context[read] + item[read] + feedback
        else:
            tokens = torch.stack([context[read], item[read], feedback], dim=1).flatten(0, 1)
        offsets, times = self.config.tokens * batch.offsets, batch.timestamps.repeat_interleave(self.config.tokens)
        _, places = token_places(offsets)
        # A state is made of what had happened by then alone: it does not know when it will be read.
        layout = Layout(offsets, query_times=times, key_times=times)
        states: Tensor = self.norm(self.layers(self.dropout(tokens + self.positions[places]), layout))
        return states

    @torch.no_grad()
    def begin_at(self, counts: Tensor) -> None:
        """Has untrained weights answer about as often as classes occur: `counts` (classes,), all factors side by side.

        Trained ones, whose biases are no longer zero, stay as they are.
        """
        if self.told is None:
            return
        last = self.told[-1]
        assert isinstance(last, nn.Linear)
        if last.bias.any():
            return
        last.weight.mul_(FIRST_ANSWERS)
        for part, bias in zip(self.by_factor(counts), self.by_factor(last.bias), strict=True):
            bias.copy_(((part + 0.5) / (part.sum() + 0.5 * len(part))).log())

    def by_factor(self, values: Tensor) -> tuple[Tensor, ...]:
        """(..., classes) -> one part for each factor."""
        return values.split([self.config.classes(factor) for factor in self.config.factors], dim=-1)


@dataclass(frozen=True)
class Asked:
    """What objectives see of a batch: what was known at each of the T interactions that it asks about.

    Attributes:
        of_context: (T, d) what is known with the context.
        of_item: (T, d) and with the item that is shown.
    """

    model: Argus
    batch: ArgusBatch
    generator: torch.Generator | None
    of_context: Tensor
    of_item: Tensor

    @cached_property
    def queries(self) -> Tensor:
        """(T, d) where the next item is looked for."""
        assert self.model.next_item is not None
        return self.model.next_item.queries(self.of_context, self.evidence)

    @property
    def evidence(self) -> Evidence:
        """What the state before each rests on."""
        batch = self.batch
        silence = (self.times - batch.newest).clamp(min=0).float() / HOUR_MS
        return Evidence(silence.log1p(), batch.before.clamp(min=1).float().log())

    @property
    def times(self) -> Tensor:
        """(T,) int64 epoch milliseconds when each began."""
        return self.batch.started[self.batch.asked]

    @property
    def new(self) -> Tensor:
        """(T,) bool, whose item was too new to have an ID."""
        assert self.model.next_item is not None
        return self.model.next_item.was_new(self.next_items, self.times)

    @cached_property
    def logits(self) -> Tensor:
        """(T, classes) of all factors, side by side."""
        if self.model.told is None:
            return self.of_item.new_zeros(len(self.of_item), 0)
        logits: Tensor = self.model.told(self.of_item)
        return logits if self.model.quality is None else logits + self.model.quality(self.batch)

    @property
    def next_items(self) -> Tensor:
        """(T,) int64 the item of each."""
        return self.batch.item_index[self.batch.asked]

    @property
    def users(self) -> Tensor:
        """(T,) int64 number of the user of each."""
        return self.batch.users[self.batch.rows]


def layer_of(config: ArgusConfig) -> AttentionLayer:
    """A new layer of the configured backbone."""
    backbone = config.backbone
    if isinstance(backbone, PreNormConfig):
        return PreNormLayer(config.width, backbone)
    if isinstance(backbone, HstuConfig):
        kind = SoftmaxHstuLayer if backbone.attention == "softmax" else HstuLayer
        return kind(config.width, backbone, config.longest_row)
    return StuLayer(config.width, backbone, config.longest_row)
