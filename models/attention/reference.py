"""HSTU attention, naively: rows padded to the longest, every product written out.

Shapes: B rows, L tokens in all, n longest row, h heads, d head width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def token_places(offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Row and position within the row of every token: two (L,) int64 tensors."""
    lengths = offsets.diff()
    rows = torch.repeat_interleave(torch.arange(len(lengths), device=offsets.device), lengths)
    return rows, torch.arange(len(rows), device=offsets.device) - offsets[rows]


def pad(tokens: Tensor, offsets: Tensor) -> Tensor:
    """(L, ...) jagged tokens as (B, n, ...), zero where a row has ended."""
    rows, positions = token_places(offsets)
    longest = int(offsets.diff().max()) if len(offsets) > 1 else 0
    padded = tokens.new_zeros(len(offsets) - 1, longest, *tokens.shape[1:])
    return padded.index_put((rows, positions), tokens)


def hstu_attention(q: Tensor, k: Tensor, v: Tensor, offsets: Tensor, bias: Tensor, divisor: int) -> Tensor:
    """Causal pointwise attention (HSTU paper eq. 2): sum over j <= i of SiLU(<q_i, k_j> + bias_ij) / N * v_j.

    Args:
        q, k, v: (L, h, d) jagged tokens.
        offsets: (B + 1,) int64 row boundaries.
        bias: (B, n, n) relative attention bias, shared by the heads.
        divisor: N. It belongs to the model: a divisor taken from the batch changes every score with the batch.

    Returns:
        (L, h, d) in the dtype of `v`.
    """
    rows, positions = token_places(offsets)
    scores = torch.einsum("bihd,bjhd->bhij", pad(q, offsets), pad(k, offsets)) + bias.unsqueeze(1)
    longest = scores.shape[-1]
    causal = torch.ones(longest, longest, dtype=torch.bool, device=scores.device).tril()
    weights = F.silu(scores) * causal / divisor
    mixed = torch.einsum("bhij,bjhd->bihd", weights.to(v.dtype), pad(v, offsets))
    return mixed[rows, positions]
