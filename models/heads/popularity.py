"""The retrieval head with popularity: what everybody chooses is known, what a user chooses is learned on top of it."""

from typing import Any

import torch
from torch import Tensor

from models.heads.balance import UNSEEN, Balance
from models.heads.drift import Drift
from models.heads.evidence import Evidence
from models.heads.projection import Projection
from models.heads.retrieval import RetrievalHead, unit
from models.popularity import PopularityOverTime


class PopularityHead(RetrievalHead):
    """The logit of an item is its log popularity when it is asked for, at a learned weight, and the dot product of its
    vector and the state's direction, at a learned scale. Both are one dot product, so that retrieval needs no other
    index.

    A cosine alone cannot tell how much more popular one item is than another: all items lie on one sphere. On short
    histories that is most of what can be known. So item vectors have their own length here: it is short while little is
    known of an item, and its popularity decides.

    The index holds the popularity at the end of the training data; what differed earlier, where training and
    leave-one-out ask, is told apart (`drift`): whoever learns from a past choice must see what was popular then.

    Args:
        popularity: Of every item, at some moments; None: it comes with the weights that are loaded.
        projection: As in `RetrievalHead`.
    """

    moments: Tensor
    log_popularity: Tensor

    def __init__(self, popularity: PopularityOverTime | None, projection: Projection | None = None) -> None:
        super().__init__(projection)
        self.balance = Balance()
        self.register_buffer("moments", torch.zeros(1, dtype=torch.int64))
        self.register_buffer("log_popularity", torch.zeros(1, 1))
        if popularity is not None:
            self.know(popularity)

    def know(self, popularity: PopularityOverTime) -> None:
        """Has `popularity` in place of what was known before."""
        self.moments = torch.from_numpy(popularity.moments.copy()).to(self.moments.device)
        counts = torch.from_numpy(popularity.counts.copy())
        self.log_popularity = _log_popularity(counts).to(self.log_popularity.device)

    def temperature(self, configured: float) -> float:
        """1: the scores are logits, whose scale is learned."""
        return 1.0

    def forward(self, states: Tensor, evidence: Evidence) -> Tensor:
        """(L, width) raw states and what they rest on -> (L, d + 1) queries in fp32."""
        personal = self.balance.personal(evidence).unsqueeze(-1) * self.direction(states)
        return torch.cat([personal, self.balance.popularity.expand(states.shape[0], 1)], dim=-1)

    def items(self, vectors: Tensor, index: Tensor, masked: Tensor | None = None) -> Tensor:
        """(..., width) vectors of the items `index` (...,) -> (..., d + 1) what queries are compared with.

        Where `masked` is true the item is new, and has the popularity of new items.
        """
        popularity = self.log_popularity[-1][index]
        if masked is not None:
            popularity = torch.where(masked, self.balance.new.float(), popularity)
        return torch.cat([self.point(vectors), popularity.unsqueeze(-1)], dim=-1)

    def directions(self, vectors: Tensor) -> Tensor:
        return unit(vectors[..., :-1])

    def drift(self, times: Tensor, drawn: Tensor, drawn_masked: Tensor, labels: Tensor, labels_masked: Tensor) -> Drift:
        now, moment = self.log_popularity[-1], self.moment(times)
        rows = (self.log_popularity[:, drawn] - now[drawn]).masked_fill(drawn_masked, 0.0)
        own = (self.log_popularity[moment, labels] - now[labels]).masked_fill(labels_masked, 0.0)
        return Drift(self.balance.popularity, rows, moment, own)

    def as_of(self, scores: Tensor, times: Tensor, index: Tensor | None = None) -> Tensor:
        moment = self.moment(times)
        earlier = (moment < len(self.moments) - 1).nonzero().squeeze(1)
        if not len(earlier):
            return scores
        drift = self.log_popularity[moment[earlier]] - self.log_popularity[-1]
        drift = drift if index is None else drift[:, index]
        return scores.index_add(0, earlier, self.balance.popularity.detach() * drift)

    def parts(self, states: Tensor, vectors: Tensor, index: Tensor, times: Tensor) -> tuple[Tensor, Tensor]:
        """What the balance weighs, (B, k) twice: cosines of states and length of vectors, and log popularity.

        Args:
            states: (B, width) raw states of users who ask at `times` (B,) int64 ms.
            vectors: (k, width) of the item tower, of the items `index` (k,).
        """
        return self.direction(states) @ self.point(vectors).T, self.log_popularity[self.moment(times)][:, index]

    def moment(self, times: Tensor) -> Tensor:
        """(L,) int64 the newest moment at each of the times (L,) ms; the first one before there was any."""
        return (torch.bucketize(times, self.moments, right=True) - 1).clamp(min=0)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        for name in ("moments", "log_popularity"):
            if prefix + name in state_dict:
                setattr(self, name, state_dict[prefix + name].to(getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *rest)


def _log_popularity(counts: Tensor) -> Tensor:
    """(S, n + 1) log counts, in those of an average item that was seen by then."""
    seen = (counts > 0).sum(1, keepdim=True).clamp(min=1)
    mean = counts.sum(1, keepdim=True) / seen
    return (counts / mean.clamp(min=torch.finfo(counts.dtype).tiny) + UNSEEN).log()
