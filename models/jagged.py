"""Rows of different length packed end to end: where a token stands, and the padded form that naive code needs.

Shapes: B rows, L tokens in all, n longest row. `offsets` (B + 1,) int64: row b owns tokens offsets[b]:offsets[b + 1].
"""

import torch
from torch import Tensor


def cumulative(lengths: Tensor) -> Tensor:
    """(B + 1,) int64 offsets of rows of `lengths` (B,)."""
    return torch.cat([lengths.new_zeros(1), lengths.cumsum(0)])


def token_places(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Row and position within the row of every token: two (L,) int64 tensors."""
    lengths = offsets.diff()
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=offsets.device), lengths)
    return rows, torch.arange(len(rows), device=offsets.device) - offsets[rows]


def longest(offsets: Tensor) -> int:
    """n, the length of the longest row; 0 where there is none."""
    return int(offsets.diff().max()) if len(offsets) > 1 else 0


def pad(tokens: Tensor, offsets: Tensor) -> Tensor:
    """(L, ...) jagged tokens as (B, n, ...), zero where a row has ended."""
    padded = tokens.new_zeros(len(offsets) - 1, longest(offsets), *tokens.shape[1:])
    return padded.index_put(token_places(offsets), tokens)


def last_tokens(tokens: Tensor, offsets: Tensor) -> Tensor:
    """(B, ...) the last of each row's (L, ...) tokens, zero where a row is empty."""
    filled = offsets.diff() > 0
    last = tokens.new_zeros(len(filled), *tokens.shape[1:])
    last[filled] = tokens[offsets[1:][filled] - 1]
    return last
