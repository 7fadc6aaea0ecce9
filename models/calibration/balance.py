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

from models.arrivals import Arrivals
from models.calibration.askers import Askers
from models.calibration.new_items import popularity_of_new
from models.heads.balance import Balance
from models.heads.popularity import PopularityHead
from models.interactions import Interactions
from models.recommender import Recommender

USERS = 2_000
"""Of more users the balance, of which three numbers are fitted, sees so many."""

CANDIDATES = 16_384
"""Of more items, so many are drawn, the items asked for among them."""

PRIORS = {"log_scale": 0.5, "popularity": 0.5, "new": 2.0, "unforeseen": 1.0}
"""Standard deviations of what is fitted: of the balance around what was learned, and of the logit of the share of
choices that nobody can foresee around a half. A few dozen users outweigh them. The slopes of the balance stay as they
were learned: held-out users are too few to tell them, and requests come after longer silences than theirs."""

ITERATIONS = 40


@dataclass(frozen=True)
class HeldOutChoices:
    """What B users chose next, whom training did not see.

    Attributes:
        histories: Of the users, without what is asked for.
        targets: (B,) int64 item indices.
        times: (B,) int64 ms when they were chosen.
        masked: (B,) bool, where the item was too new then to have an ID, which content stands in for.
        repeats: Whether what they had chosen before could be chosen again.
        arrivals: When items came, and how often new ones were chosen; None where nobody says.
    """

    histories: Interactions
    targets: np.ndarray
    times: np.ndarray
    masked: np.ndarray
    repeats: bool = False
    arrivals: Arrivals | None = None

    def some(self) -> "HeldOutChoices":
        """Those of `USERS` at most, evenly spread."""
        users = np.linspace(0, len(self.targets) - 1, min(USERS, len(self.targets))).astype(np.int64)
        asked = self.targets[users], self.times[users], self.masked[users]
        return HeldOutChoices(self.histories.take(users), *asked, self.repeats, self.arrivals)


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
    """The balance of greatest posterior probability, and the mean negative log-likelihood of the choices with it.

    How popular new items are is what everybody's choices say (`popularity_of_new`), where these are enough.
    """
    seen, at_the_end = _look(recommender, head, held_out.some())
    balance, unforeseen = deepcopy(head.balance), nn.Parameter(torch.zeros((), device=seen.chosen.device))
    fitted = {
        "unforeseen": unforeseen,
        **{name: number for name, number in balance.named_parameters() if name in PRIORS},
    }
    before = {name: number.detach().clone() for name, number in fitted.items()}
    solver = torch.optim.LBFGS(list(fitted.values()), max_iter=ITERATIONS, line_search_fn="strong_wolfe")

    def posterior() -> Tensor:
        solver.zero_grad()
        moved = [((number - before[name]) / PRIORS[name]).square() for name, number in fitted.items()]
        penalised = seen.loss(balance, unforeseen) + torch.stack(moved).sum() / (2 * len(seen.chosen))
        penalised.backward()
        return penalised

    with torch.enable_grad():
        solver.step(posterior)
    if not all(number.isfinite() for number in balance.parameters()):
        raise FloatingPointError("the balance of the model is not finite: lower the learning rate")
    if held_out.arrivals is not None and at_the_end is not None:
        optimism = recommender.config.items.new_item_optimism
        new = popularity_of_new(recommender, balance, at_the_end, held_out.arrivals, optimism)
        balance.new.data = balance.new.data if new is None else new
    with torch.no_grad():
        return balance, float(seen.loss(balance, unforeseen))


@dataclass(frozen=True)
class _Seen:
    """B users and k candidates, as the head sees them before it balances its parts.

    Attributes:
        cosines: (B, k) of the users' directions and the items' vectors.
        popularity: (B, k) log popularity when the users chose.
        askers: The users.
        new: (B, k) bool, where the item was too new to have an ID.
        had: (B, k) bool, what the users had chosen before and do not choose again.
        chosen: (B,) int64 the candidate that each chose.
    """

    cosines: Tensor
    popularity: Tensor
    askers: Askers
    new: Tensor
    had: Tensor
    chosen: Tensor

    def loss(self, balance: Balance, unforeseen: Tensor) -> Tensor:
        """The mean negative log-likelihood of what was chosen, a share of the choices being at random.

        Args:
            unforeseen: () logit of that share.
        """
        personal = balance.personal(self.askers.evidence).unsqueeze(1) * self.cosines
        popularity = balance.popularity * torch.where(self.new, balance.new, self.popularity)
        logits = (personal + popularity).masked_fill(self.had, -torch.inf)
        foreseen = F.logsigmoid(-unforeseen) - F.cross_entropy(logits, self.chosen, reduction="none")
        at_random = F.logsigmoid(unforeseen) - (~self.had).sum(1).log()
        return -torch.logaddexp(foreseen, at_random).mean()


@torch.no_grad()
def _look(recommender: Recommender, head: PopularityHead, held_out: HeldOutChoices) -> tuple[_Seen, Askers | None]:
    """The choices, and the same users at the end of the data, where it is known."""
    mode = recommender.training
    recommender.eval()
    items = recommender.items
    device = items.places.device
    asked, times = (_tensor(values, device) for values in (held_out.targets, held_out.times))
    # Items that are known by their content alone are served, too. So were those asked for that were new.
    index = _some((items.has_content | (items.places > 0)).nonzero().squeeze(1), asked)
    askers = Askers.of(recommender, held_out.histories, held_out.times, held_out.repeats)
    cosines, popularity = head.parts(askers.states, items(index), index, times)
    had = askers.had(index, len(items.places) - 1)
    chosen = torch.searchsorted(index, asked)
    had.scatter_(1, chosen.unsqueeze(1), False)
    new = (items.places[index] == 0).expand_as(cosines).clone()
    masked = torch.from_numpy(np.ascontiguousarray(held_out.masked)).to(device) & items.has_content[asked]
    if masked.any():
        hidden = items(asked[masked], torch.ones_like(asked[masked], dtype=torch.bool))
        cosines[masked, chosen[masked]] = (head.direction(askers.states[masked]) * head.point(hidden)).sum(1)
        new[masked, chosen[masked]] = True
    at_the_end = None
    if held_out.arrivals is not None:
        then = np.full(len(held_out.times), held_out.arrivals.end_ms)
        at_the_end = Askers.of(recommender, held_out.histories, then, held_out.repeats)
    recommender.train(mode)
    return _Seen(cosines, popularity, askers, new, had, chosen), at_the_end


def _some(index: Tensor, asked: Tensor) -> Tensor:
    """(k,) ascending, of the items `index` all, or as many as `CANDIDATES` drawn ones, those `asked` for among them."""
    if len(index) <= CANDIDATES:
        return index
    drawn = torch.randperm(len(index), generator=torch.Generator().manual_seed(0))[:CANDIDATES]
    return torch.cat([index[drawn.to(index.device)], asked]).unique()


def _tensor(values: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, np.int64)).to(device)
