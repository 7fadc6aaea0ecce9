"""Content embeddings in the order of a vocabulary."""

import numpy as np
import polars as pl

from models.columns import ITEM_ID, VECTOR
from models.vocabulary import Vocabulary


def content_matrix(vocabulary: Vocabulary, content: pl.DataFrame | None) -> np.ndarray:
    """(n + 1, d) float32 content vectors by item index; zero for an item without one.

    Args:
        content: `item_id`, `vector` (lists of d numbers); None or an empty frame gives d = 0.

    Raises:
        ValueError: a vector is not finite; it names the item.
    """
    if content is None or not content.height:
        return np.zeros((len(vocabulary) + 1, 0), np.float32)
    vectors = content[VECTOR].cast(pl.Array(pl.Float32, content[VECTOR].list.len()[0])).to_numpy()
    finite = np.isfinite(vectors.sum(axis=1))
    if not finite.all():
        item = content[ITEM_ID][int(np.argmin(finite))]
        raise ValueError(f"the content vector of item {item!r} is not finite: embed it again")
    matrix = np.zeros((len(vocabulary) + 1, vectors.shape[1]), np.float32)
    index = vocabulary.indices(content[ITEM_ID])
    matrix[index[index > 0]] = vectors[index > 0]
    return matrix
