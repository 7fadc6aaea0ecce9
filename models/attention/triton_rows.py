"""The lengths of a call's rows, which size its grid, checked on the way."""

import torch
from torch import Tensor

from models.attention.bias import AttentionBias, check_reach
from models.attention.mask import AttentionMask, history_end


def longest_rows(
    queries: int, keys: int, offsets: Tensor, query_offsets: Tensor, mask: AttentionMask, bias: AttentionBias | None
) -> tuple[int, int]:
    """The longest row in keys and in queries. All that is to know of a GPU's numbers is asked for at once.

    Raises:
        ValueError: offsets do not fit the tensors or each other, or a row does not hold its context and candidates, or
            reaches beyond the bias's positions.
    """
    lengths, asking = offsets.diff(), query_offsets.diff()
    if not len(lengths):
        return 0, 0
    targets = torch.zeros_like(lengths) if mask.targets is None else mask.targets
    history = lengths - targets
    in_order = ((asking >= 0) & (asking <= lengths)).all()
    whole = (offsets[0] == 0) & (offsets[-1] == keys) & (query_offsets[0] == 0) & (query_offsets[-1] == queries)
    holds = ((lengths == 0) | ((history >= mask.context) & (targets >= 0))).all()
    reach = history.max() - max(mask.context - 1, 0) - (1 if mask.targets is None else 0)
    facts = [lengths.max(), asking.max(), reach, holds, in_order & whole]
    longest, longest_query, distance, held, sound = torch.stack([fact.long() for fact in facts]).tolist()
    if not sound:
        raise ValueError(
            f"offsets and query_offsets must rise from 0 to the {keys} keys and {queries} queries, and no row may have "
            "more queries than keys"
        )
    if not held:
        history_end(lengths, mask)
    if bias is not None and distance > (len(bias.position) - 1) // 2:
        check_reach(bias, offsets, mask)
    return longest, longest_query
