"""Who chose what, as a sparse matrix."""

import numpy as np
from scipy import sparse

from models.interactions import Interactions


def users_items(training: Interactions, items: int) -> sparse.csr_array:
    """(U, n + 1) float32, 1 where a user has chosen an item; column 0, unknown items, is empty."""
    known = training.known()
    shape = (len(known), items + 1)
    # A copy: summing duplicates sorts in place, and the interactions are others' too, often a read-only file.
    matrix = sparse.csr_array(
        (np.ones(len(known.item_index), np.float32), known.item_index, known.offsets), shape=shape, copy=True
    )
    matrix.sum_duplicates()
    matrix.data[:] = 1
    return matrix
