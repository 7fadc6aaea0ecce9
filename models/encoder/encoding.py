"""What the ranking model adds to its input: where a token stands and how long ago it was (HSTU spec section 2.5)."""

from typing import Literal

import torch
from torch import Tensor, nn

from models.attention.reference import query_places
from models.config.model import InputEncodingConfig
from models.encoder.stack import Layout

Positions = Literal["recency", "start"]
TimeFunction = Literal["sqrt", "log"]

BUCKET_SECONDS = 60


class InputEncoding(nn.Module):
    """x * sqrt(width) + position vector, and + time vector where positions count from the request.

    With `recency`, as published, positions count back from the request and a time vector tells the age of each token:
    every token's input changes with every request. With `start` positions count from the oldest token and there is
    no time vector: a token's input never changes, and so its cached keys and values hold.

    Args:
        width: Width of the hidden states.
        context: Contextual tokens at each row's start.
        config: Where positions count from, and the sizes of the tables.
    """

    def __init__(self, width: int, context: int, config: InputEncodingConfig) -> None:
        super().__init__()
        self.scale, self.context = width**0.5, context
        self.anchor, self.time_function = config.positions, config.time_function
        self.positions = nn.Parameter(_uniform(config.position_rows, width, config.position_rows**-0.5))
        times = _uniform(config.time_buckets + 1, width, config.time_buckets**-0.5)
        self.times = nn.Parameter(times) if config.positions == "recency" else None

    def forward(self, x: Tensor, layout: Layout, request_times: Tensor) -> Tensor:
        """(L_q, width) vectors -> (L_q, width).

        Args:
            layout: Of the tokens that ask; `query_times` are their own times.
            request_times: (B,) int64 ms. Given, not read off the row's last token, because a candidate's score must
                not depend on the candidates beside it.
        """
        row, place = query_places(layout.offsets, layout.query_offsets)
        targets = layout.mask.targets
        history = layout.offsets.diff() if targets is None else layout.offsets.diff() - targets
        index = position_index(place, history[row], self.context, self.anchor).clamp(max=len(self.positions) - 1)
        encoded = x * self.scale + self.positions[index]
        if self.times is None:
            return encoded
        ages = request_times[row] - layout.query_times
        return encoded + self.times[age_bucket(ages, self.time_function, len(self.times) - 1)]


def position_index(place: Tensor, history: Tensor, context: int, positions: Positions) -> Tensor:
    """Row of the position table of each token; all candidates share one, since they stand at the same place.

    Args:
        place: (L,) place within the row.
        history: (L,) tokens of the row that are not candidates, context included.
    """
    from_start = torch.minimum(place, history)
    if positions == "start":
        return from_start
    return torch.where(place < context, place, history - from_start + context)


def age_bucket(milliseconds: Tensor, function: TimeFunction, last: int) -> Tensor:
    """Bucket of an age: floor(sqrt(minutes)), or floor(ln(minutes)), clamped to 0..last. Computed in fp32."""
    seconds = milliseconds.div(1000, rounding_mode="floor").float()
    minutes = seconds.clamp(min=1e-6) / BUCKET_SECONDS
    scaled = minutes.sqrt() if function == "sqrt" else minutes.log()
    return scaled.floor().long().clamp(0, last)


def _uniform(rows: int, width: int, bound: float) -> Tensor:
    return torch.empty(rows, width).uniform_(-bound, bound)
