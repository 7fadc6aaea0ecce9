"""Which impressions of a user turn out better: what the two towers learn (ARGUS spec section 4)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from models.argus.two_towers import Shown
from models.config.losses import ImpressionLossConfig
from models.objectives.objective import Objective


class Impressions(Objective):
    """Pairwise, pointwise or listwise; its loss has the name of the one that it is.

    - pairwise: of two impressions of a user that follow each other and differ in grade, log(1 + exp(worse - better)).
    - pointwise: the binary cross-entropy of a score against how far up the scale the impression came, 0 to 1.
    - listwise: of so many impressions of a user that follow each other and do not all have one grade, the
      cross-entropy of the softmax of their scores against their grades' shares of the sum, counted from the worst.

    Args:
        config: Which one.
        grades: All that there can be, ascending.
    """

    def __init__(self, config: ImpressionLossConfig, grades: Sequence[int]) -> None:
        super().__init__()
        self.config, self.lowest, self.highest = config, grades[0], grades[-1]
        self.weights = {config.kind: 1.0}

    @property
    def guess(self) -> float | None:
        return float(torch.tensor(2.0).log()) if self.config.kind == "pairwise" else None

    def forward(self, view: Shown) -> dict[str, Tensor]:
        """The mean over pairs, impressions or lists, in fp32; 0 where there is none."""
        losses = {"pairwise": self._pairwise, "pointwise": self._pointwise, "listwise": self._listwise}
        of_each = losses[self.config.kind](view)
        # A batch of which nothing is learned still gives every weight a gradient, for which other workers wait.
        nothing = view.scores.sum() * 0.0
        return {self.config.kind: of_each.mean() + nothing if len(of_each) else nothing}

    def _pairwise(self, view: Shown) -> Tensor:
        better, worse = adjacent_pairs(view.batch.rows, view.batch.grades)
        return F.softplus(view.scores[worse] - view.scores[better])

    def _pointwise(self, view: Shown) -> Tensor:
        share = (view.batch.grades - self.lowest).float() / (self.highest - self.lowest)
        return F.binary_cross_entropy_with_logits(view.scores, share, reduction="none")

    def _listwise(self, view: Shown) -> Tensor:
        lists, gains, scores = self._lists(view.batch.rows), view.batch.grades.float(), view.scores
        count = int(lists[-1]) + 1 if len(lists) else 0
        none = scores.new_zeros(count)
        gains = gains - none.scatter_reduce(0, lists, gains, "amin", include_self=False)[lists]
        whole = none.index_add(0, lists, gains)
        top = none.scatter_reduce(0, lists, scores.detach(), "amax", include_self=False)
        log_sums = top + none.index_add(0, lists, (scores - top[lists]).exp()).clamp(min=1e-30).log()
        told = none.index_add(0, lists, gains * (log_sums[lists] - scores))
        return told[whole > 0] / whole[whole > 0]

    def _lists(self, rows: Tensor) -> Tensor:
        """(T,) int64 the list of each impression, ascending."""
        place = torch.arange(len(rows), device=rows.device)
        first = torch.searchsorted(rows, rows)
        begins = (place - first) % self.config.list_length == 0
        return begins.cumsum(0) - 1


def adjacent_pairs(rows: Tensor, grades: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) int64 each: of neighbours in one row that differ in grade, the place of the better one and of the other."""
    first = ((rows[1:] == rows[:-1]) & (grades[1:] != grades[:-1])).nonzero().squeeze(1)
    rises = (grades[first + 1] > grades[first]).long()
    return first + rises, first + 1 - rises
