"""Where a model keeps what it knows of items by their numbers, so that it can be given other items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

FEWEST_ROWS = 64
"""A matrix product of few rows is another one, which rounds otherwise."""


class ItemState(NamedTuple):
    """What of a model's state goes by items; names are those of `state_dict`, of which a model may lack some.

    Attributes:
        by_item: Tensor to the axis with a place for every item. Place 0 has what holds for an item of which nothing is
            known.
        by_place: Tables with a row for every item that was trained, and row 0 for all others.
    """

    by_item: Mapping[str, int] = {}
    by_place: tuple[str, ...] = ()

    def of_unknown(self, state: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
        """The state of the same model with no items but `count` of which nothing was learned."""
        kept = {name: state[name].index_select(axis, _zeros(count + 1)) for name, axis in self._there(state).items()}
        return {**state, **kept, **{name: state[name][:1] for name in self.by_place}}

    def with_room(self, state: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
        """The state with `count` such items behind its own."""
        import torch

        more = {name: state[name].index_select(axis, _zeros(count)) for name, axis in self._there(state).items()}
        return {**state, **{name: torch.cat([state[name], new], self.by_item[name]) for name, new in more.items()}}

    def _there(self, state: Mapping[str, Tensor]) -> Mapping[str, int]:
        return {name: axis for name, axis in self.by_item.items() if name in state}


def _zeros(count: int) -> Tensor:
    import torch

    return torch.zeros(count, dtype=torch.int64)
