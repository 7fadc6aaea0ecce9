"""The ranker: what a user would do with each candidate (HSTU spec section 8, Meta's dlrm_v3)."""

from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor, nn

from models.attention.mask import AttentionMask
from models.attention.reference import query_places
from models.dropout import Dropout
from models.encoder.cache import CacheIdentity, History, KeyValueCache, Validity, check_request, settled
from models.encoder.encoding import InputEncoding
from models.encoder.incremental import advance, candidate_layout, encode_candidates
from models.encoder.stack import Layout, Stack
from models.encoder.stu import StuLayer
from models.heads.actions import ActionHead
from models.items import ItemTower
from models.mlp import normed_mlp
from models.ranking.actions import ActionEncoder
from models.ranking.batch import LabelledBatch, RankingBatch
from models.ranking.config import RankerConfig
from models.ranking.tokens import Tokens, tokens_of


class Ranker(nn.Module):
    """Logits of every declared action for every candidate.

    A token is an item plus what was done with it; a candidate is an item plus one learned vector in place of the
    action. Candidates see context, history and themselves, never each other.

    Args:
        config: Shape and function of the model.
        items, trained, content: As in `models.items.ItemTower`.
    """

    def __init__(
        self, config: RankerConfig, items: int, trained: Tensor | None = None, content: Tensor | None = None
    ) -> None:
        super().__init__()
        self.config = config
        width, backbone = config.width, config.backbone
        self.items = ItemTower(config.items, width, items, trained, content)
        self.seen_item = normed_mlp(width, config.hidden, width)
        self.actions = ActionEncoder(len(config.actions), config.action_dim)
        self.seen_action = normed_mlp(self.actions.width, config.hidden, width)
        self.context = nn.ModuleList(
            nn.Embedding.from_pretrained(torch.randn(values, width) * width**-0.5, freeze=False)
            for values in config.context
        )
        self.encoding = InputEncoding(width, len(config.context), config.encoding)
        self.dropout = Dropout(config.input_dropout)
        self.layers = Stack(StuLayer(width, backbone, config.attention_divisor) for _ in range(backbone.layers))
        self.mask = AttentionMask(
            context=len(config.context) if backbone.context_sees_all else 0,
            window=backbone.window,
            full_tail=backbone.full_tail,
        )
        self.head = ActionHead(width, config.head_hidden, len(config.actions))

    def forward(self, batch: RankingBatch) -> Tensor:
        """(T, actions) logits of the batch's T candidates, in order.

        Raises:
            ValueError: a history is longer than the model's, or the contextual slots are not the model's.
        """
        tokens, layout = self._lay_out(batch)
        states = self.layers(self._embed(tokens, layout, batch), layout)
        asked = tokens.candidate.nonzero().squeeze(1)
        logits: Tensor = self.head(states[asked], self.items(tokens.item_index[asked]), tokens.times[asked])
        return logits

    def view(self, batch: LabelledBatch, generator: torch.Generator) -> "Judged":
        """A training batch as objectives see it."""
        return Judged(self, batch.requests, batch.taken)

    def identity(self, version: str) -> CacheIdentity:
        """What a cache of this model, known to the caller as `version`, must have."""
        return CacheIdentity(
            version=version,
            divisor=self.config.attention_divisor,
            layers=len(self.layers),
            positions=self.config.encoding.positions,
            validity=self._validity(),
        )

    def prefill(self, histories: RankingBatch, version: str) -> KeyValueCache:
        """The cache of B histories without candidates, for their requests; by start positions for later ones too."""
        return self._cached(histories, version, None)

    def extend(self, cache: KeyValueCache, histories: RankingBatch, version: str) -> KeyValueCache:
        """The cache of `histories`, which begin as the cached ones do: only what came since is computed.

        Raises:
            CacheMismatch: another model made the cache, the histories begin differently, or this model's caches hold
                for one request alone.
        """
        return self._cached(histories, version, cache)

    @torch.no_grad()
    def score(
        self, cache: KeyValueCache, candidates: Tensor, request_time: int, version: str, micro_batch: int = 0
    ) -> Tensor:
        """(m, actions) logits of `candidates` (m,) int64 item indices against the one cached history, by M-FALCON.

        Args:
            request_time: ms; where the cache holds for one request alone, that request's.
            micro_batch: See `encode_candidates`.

        Raises:
            CacheMismatch: another model or another request made the cache.
            ValueError: a candidate is not in the vocabulary, or the model is in training mode.
        """
        if len(candidates) and int(candidates.min()) < 1:
            raise ValueError(f"candidate {int(candidates.argmin())} is not in the vocabulary: indices are 1 and above")
        check_request(cache, self.identity(version), request_time)
        layout = candidate_layout(cache, len(candidates), request_time, self.mask)
        vectors, times = self.items(candidates), layout.query_times
        x = self.encoding(self.seen_item(vectors) + self.seen_action(self.actions.unknown), layout, times[:1])
        states = encode_candidates(self.layers, x, cache, request_time, self.mask, micro_batch)
        logits: Tensor = self.head(states, vectors, times)
        return logits

    @torch.no_grad()
    def _cached(self, batch: RankingBatch, version: str, cache: KeyValueCache | None) -> KeyValueCache:
        if batch.targets.any():
            raise ValueError(f"row {int(batch.targets.argmax())} has candidates: a cache holds histories alone")
        identity = self.identity(version)
        history = History(batch.offsets, batch.timestamps, (batch.item_index, batch.actions), batch.context)
        past = None if cache is None else settled(cache, identity, history)
        tokens, layout = self._lay_out(batch)
        asking, asking_layout = tokens, layout
        if past is not None:
            index, asking_layout = layout.since(past.offsets.diff())
            asking = tokens.at(index)
        x = self._embed(asking, asking_layout, batch)
        _, pairs = advance(self.layers, x, asking_layout, past, states=False)
        lengths = batch.offsets.diff()
        return KeyValueCache(
            identity, pairs, layout.offsets, tokens.times, batch.request_times, lengths, history.digests(lengths)
        )

    def _validity(self) -> Validity:
        looks_ahead = self.mask.context or self.mask.full_tail
        return "this_request" if looks_ahead or self.config.encoding.positions == "recency" else "always"

    def _lay_out(self, batch: RankingBatch) -> tuple[Tokens, Layout]:
        _check(batch, self.config)
        tokens, offsets = tokens_of(batch)
        mask = replace(self.mask, targets=batch.targets)
        return tokens, Layout(offsets, query_times=tokens.times, key_times=tokens.times, mask=mask)

    def _vectors(self, tokens: Tokens) -> Tensor:
        actions = self.seen_action(self.actions(tokens.actions, tokens.candidate))
        vectors: Tensor = self.seen_item(self.items(tokens.item_index)) + actions
        return vectors

    def _embed(self, tokens: Tokens, layout: Layout, batch: RankingBatch) -> Tensor:
        x = self._vectors(tokens)
        if len(self.context):
            slots = torch.stack([slot(batch.context[:, index]) for index, slot in enumerate(self.context)], dim=1)
            row, place = query_places(layout.offsets, layout.query_offsets)
            contextual = (place < len(self.context)).unsqueeze(-1)
            x = torch.where(contextual, slots[row, place.clamp(max=len(self.context) - 1)], x)
        encoded: Tensor = self.dropout(self.encoding(x, layout, batch.request_times))
        return encoded


@dataclass(frozen=True)
class Judged:
    """What objectives see of a batch: the logits of its candidates, and what was done with them.

    Attributes:
        model: The ranker, of which `items` is the tower and `head` the head.
        taken: (T,) int64 mask of the actions taken with each candidate.
    """

    model: Ranker
    batch: RankingBatch
    taken: Tensor

    @cached_property
    def logits(self) -> Tensor:
        """(T, actions), computed when first asked for."""
        logits: Tensor = self.model(self.batch)
        return logits


def _check(batch: RankingBatch, config: RankerConfig) -> None:
    slots = batch.context.shape[1]
    if slots != len(config.context):
        raise ValueError(f"the batch has {slots} contextual slots, the model {len(config.context)}")
    lengths = batch.offsets.diff() - batch.targets
    over = lengths > config.max_length
    if over.any():
        row = int(over.nonzero()[0])
        raise ValueError(
            f"row {row} has {int(lengths[row])} interactions, the model takes {config.max_length}: keep the most recent"
        )
    undeclared = batch.actions >= 1 << len(config.actions)
    if undeclared.any():
        token = int(undeclared.nonzero()[0])
        row = int(torch.searchsorted(batch.offsets, token, right=True)) - 1
        raise ValueError(f"row {row} has action mask {int(batch.actions[token])}, the model declares {config.actions}")
    outside = (batch.context < 0) | (batch.context >= batch.context.new_tensor(config.context))
    if outside.any():
        row, slot = outside.nonzero()[0].tolist()
        raise ValueError(
            f"row {row} has value {int(batch.context[row, slot])} in contextual slot {slot}, whose values are "
            f"0..{config.context[slot] - 1}"
        )
