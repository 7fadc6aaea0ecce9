"""The balance of a head with popularity, fitted to users whom training did not see.

A model knows the users that it was trained on partly by heart. So it trusts what is personal more than it may, and
popularity less, on everybody else.

Some choices nobody can foresee. Were they to count in full, they would flatten all that is known of the others: so each
is taken to be one of these with a chance that is fitted beside the balance, and serves nothing else.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import request_batch
from models.heads.balance import Balance
from models.heads.evidence import Evidence
from models.heads.popularity import PopularityHead
from models.interactions import Interactions
from models.recommender import Recommender

USERS = 2_000
"""Of more users the balance, which is four numbers, is fitted to so many."""

CANDIDATES = 16_384
"""Of more items, so many are drawn, the items asked for among them."""

PRIOR = 0.5
"""Standard deviation of the numbers of the balance around what was learned; a few dozen users outweigh it."""

UNFORESEEN = 1.0
"""Standard deviation of the logit of the share of choices that nobody can foresee, around a half of them."""

ITERATIONS = 40


@dataclass(frozen=True)
class HeldOutChoices:
    """What B users chose next, whom training did not see.

    Attributes:
        histories: Of the users, without what is asked for.
        targets: (B,) int64 item indices.
        times: (B,) int64 ms when they were chosen.
        masked: (B,) bool, where the item was too new then to have an ID, which content stands in for.
    """

    histories: Interactions
    targets: np.ndarray
    times: np.ndarray
    masked: np.ndarray

    def some(self) -> "HeldOutChoices":
        """Those of `USERS` at most, evenly spread."""
        users = np.unique(np.linspace(0, len(self.targets) - 1, min(USERS, len(self.targets))).astype(np.int64))
        return HeldOutChoices(self.histories.take(users), self.targets[users], self.times[users], self.masked[users])


@contextmanager
def calibrated(recommender: Recommender, held_out: HeldOutChoices) -> Iterator[float | None]:
    """Within, the model has the balance that fits best; gives the loss with it, or None for a head without one."""
    head = recommender.head
    if not isinstance(head, PopularityHead):
        yield None
        return
    learned = head.balance
    head.balance, loss = _fitted(recommender, head, held_out)
    try:
        yield loss
    finally:
        head.balance = learned


def calibrate(recommender: Recommender, held_out: HeldOutChoices) -> None:
    """Gives the model the balance that fits best, for good."""
    head = recommender.head
    if isinstance(head, PopularityHead):
        fitted, _ = _fitted(recommender, head, held_out)
        head.balance.load_state_dict(fitted.state_dict())


def _fitted(recommender: Recommender, head: PopularityHead, held_out: HeldOutChoices) -> tuple[Balance, float]:
    """The balance of greatest posterior probability, and the mean negative log-likelihood of the choices with it."""
    seen = _look(recommender, head, held_out.some())
    balance, unforeseen = deepcopy(head.balance), nn.Parameter(torch.zeros((), device=seen.chosen.device))
    learned = {name: number.detach().clone() for name, number in balance.named_parameters()}
    solver = torch.optim.LBFGS([*balance.parameters(), unforeseen], max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def posterior() -> Tensor:
        solver.zero_grad()
        moved = sum((number - learned[name]).square() for name, number in balance.named_parameters())
        moved = moved + (unforeseen / UNFORESEEN * PRIOR).square()
        penalised = seen.loss(balance, unforeseen) + moved / (2 * PRIOR**2 * len(seen.chosen))
        penalised.backward()
        return penalised

    with torch.enable_grad():
        solver.step(posterior)
    if not all(number.isfinite() for number in balance.parameters()):
        raise FloatingPointError("the balance of the model is not finite: lower the learning rate")
    with torch.no_grad():
        return balance, float(seen.loss(balance, unforeseen))


@dataclass(frozen=True)
class _Seen:
    """B users and k candidates, as the head sees them before it balances its parts.

    Attributes:
        cosines: (B, k) of the users' directions and the items' vectors.
        popularity: (B, k) log popularity when the users chose.
        evidence: Of the B states.
        had: (B, k) bool, what the users had chosen before.
        chosen: (B,) int64 the candidate that each chose.
    """

    cosines: Tensor
    popularity: Tensor
    evidence: Evidence
    had: Tensor
    chosen: Tensor

    def loss(self, balance: Balance, unforeseen: Tensor) -> Tensor:
        """The mean negative log-likelihood of what was chosen, a share of the choices being at random.

        Args:
            unforeseen: () logit of that share.
        """
        personal = balance.personal(self.evidence).unsqueeze(1) * self.cosines
        logits = (personal + balance.popularity * self.popularity).masked_fill(self.had, -torch.inf)
        foreseen = F.logsigmoid(-unforeseen) - F.cross_entropy(logits, self.chosen, reduction="none")
        at_random = F.logsigmoid(unforeseen) - (~self.had).sum(1).log()
        return -torch.logaddexp(foreseen, at_random).mean()


@torch.no_grad()
def _look(recommender: Recommender, head: PopularityHead, held_out: HeldOutChoices) -> _Seen:
    mode = recommender.training
    recommender.eval()
    items = recommender.items
    device = items.places.device
    asked, times = (_tensor(values, device) for values in (held_out.targets, held_out.times))
    # Items that are known by their content alone are served, too. So were those asked for that were new.
    index = _some((items.has_content | (items.places > 0)).nonzero().squeeze(1), asked)
    column = torch.full_like(items.places, -1)
    column[index] = torch.arange(len(index), device=device)
    batch = request_batch(held_out.histories, held_out.times, recommender.config.max_length).to(device)
    states = recommender.states(batch)
    cosines, popularity = head.parts(states, items(index), index, times)
    users = _tensor(np.repeat(np.arange(len(held_out.targets)), held_out.histories.lengths), device)
    before = column[_tensor(held_out.histories.item_index, device)]
    had = torch.zeros_like(cosines, dtype=torch.bool)
    had[users[before >= 0], before[before >= 0]] = True
    chosen = column[asked]
    had.scatter_(1, chosen.unsqueeze(1), False)
    new = (
        (torch.from_numpy(np.ascontiguousarray(held_out.masked)).to(device) & items.has_content[asked])
        .nonzero()
        .squeeze(1)
    )
    if len(new):
        hidden = torch.ones_like(new, dtype=torch.bool)
        alike, unknown = head.parts(states[new], items(asked[new], hidden), asked[new], times[new], hidden)
        cosines[new, chosen[new]], popularity[new, chosen[new]] = alike.diagonal(), unknown.diagonal()
    recommender.train(mode)
    return _Seen(cosines, popularity, Evidence.of(batch).last(batch.offsets), had, chosen)


def _some(index: Tensor, asked: Tensor) -> Tensor:
    """(k,) of the items `index` all, or as many as `CANDIDATES` drawn ones, those `asked` for among them."""
    if len(index) <= CANDIDATES:
        return index
    drawn = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))[:CANDIDATES]
    return torch.cat([index[drawn.to(index.device)], asked]).unique()


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(device)
