"""Softmax attention over jagged rows: the control that HSTU attention is compared with.

Rows are padded to the longest and go to torch's scaled_dot_product_attention, so memory grows as B x n x n: a control
for ablations, not a kernel to serve with. Shapes as in `models.attention.reference`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from models.attention.bias import AttentionBias, check_reach, dense_bias
from models.attention.mask import CAUSAL, AttentionMask, dense_mask
from models.attention.reference import query_places
from models.dropout import dropped
from models.jagged import pad


def softmax_attention(
    q: Tensor,
    k: Tensor,
    v: Tensor,
    offsets: Tensor,
    *,
    scale: float,
    mask: AttentionMask = CAUSAL,
    bias: AttentionBias | None = None,
    query_offsets: Tensor | None = None,
    dropout: float = 0.0,
) -> Tensor:
    """softmax(scale <q_i, k_j> + bias_ij) v_j over the visible j alone: masked before the softmax, rows sum to 1.

    Args:
        q: (L_q, h, d) queries; k: (L, h, d); v: (L, h, d_v), all of one dtype.
        offsets: (B + 1,) int64 row boundaries of keys and values; empty rows are allowed.
        scale: Factor of the products, 1 / sqrt(d) by custom.
        mask: Who may look at whom.
        bias: Relative bias, shared by the heads.
        query_offsets: (B + 1,) int64 where only the last tokens of each row ask, as with cached keys; L_q = its last.
        dropout: Share of the weights that are dropped, as in training; 0 in evaluation.

    Returns:
        (L_q, h, d_v) in the dtype of `v`.

    Raises:
        ValueError: a row cannot hold its context and candidates, or is longer than the bias knows positions for.
    """
    places = query_places(offsets, query_offsets)
    keys, values = pad(k, offsets), pad(v, offsets)
    queries = q.new_zeros(*keys.shape[:2], *q.shape[1:]).index_put(places, q)
    # Padding looks at itself: a softmax over nothing has no gradient.
    seen = dense_mask(offsets, mask) | torch.eye(keys.shape[1], dtype=torch.bool, device=q.device)
    added = torch.zeros(seen.shape, dtype=q.dtype, device=q.device)
    if bias is not None:
        check_reach(bias, offsets, mask)
        times = bias.query_times.new_zeros(keys.shape[:2]).index_put(places, bias.query_times)
        added = dense_bias(bias, times, offsets, mask).to(q.dtype)
    added = added.masked_fill(~seen, -torch.inf).unsqueeze(1)
    queries, keys, values = (part.transpose(1, 2) for part in (queries, keys, values))
    if 0 < dropout < 1 and q.device.type == "cpu":
        # torch draws a double for each weight, which takes longer than all the rest.
        weights = torch.softmax((queries * scale) @ keys.transpose(2, 3) + added, -1)
        mixed = dropped(weights, dropout) @ values
    else:
        mixed = F.scaled_dot_product_attention(queries, keys, values, attn_mask=added, dropout_p=dropout, scale=scale)
    return mixed.transpose(1, 2)[places]
