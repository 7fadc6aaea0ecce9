"""Which (image, text) pairs a tower learns from, stops by and is scored on.

Variants of an item share its picture or its text. Where one of them is trained on, another that is held out scores
well though nothing was learned. So pairs that share either are one family, and a family stays on one side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from assets.content.settings import AdaptSettings
from models.columns import CONTENT_HASH

if TYPE_CHECKING:
    from numpy.typing import NDArray

Part = Literal["train", "validation", "holdout"]

TEXT_HASH = "text_hash"

THUMBNAIL = 8
"""Pixels a side at which pictures are compared."""

ALIKE = 2.0
"""Root mean square difference, in levels of 255, up to which two thumbnails are one picture.

Saving or resizing a picture again moves its thumbnail by 0.2 to 2; two different drawn posters lie 5 apart, two images
of noise 10.
"""

BLOCK = 256
"""Pictures that are compared with all others at once."""


def split(pairs: pl.DataFrame, pixels: NDArray[np.uint8], settings: AdaptSettings) -> dict[Part, NDArray[np.int64]]:
    """The rows of each part.

    Families are drawn by a stable hash. One that is larger than what is still missing in a part is trained on. Of a
    family that is not trained on, one pair stands for all: the pairs of these parts are independent of each other.

    Args:
        pairs: One row per pair, each pair once: `content_hash` of the pair, `text_hash`.
        pixels: (n, 3, h, w), the pictures of `pairs`.
    """
    family = families(same_picture(pixels), pairs[TEXT_HASH].rank("dense").to_numpy())
    rows = pairs.select(CONTENT_HASH).with_row_index("row").with_columns(pl.Series("family", family))
    members = rows.sort(CONTENT_HASH).group_by("family", maintain_order=True).agg("row").get_column("row")
    parts: dict[Part, list[int]] = {"holdout": [], "validation": [], "train": []}
    free: dict[Part, float] = {
        "holdout": settings.holdout * len(pairs),
        "validation": settings.validation * len(pairs),
    }
    for family_rows in members.to_list():
        part = next((part for part in free if len(family_rows) <= free[part]), None)
        if part is None:
            parts["train"] += family_rows
        else:
            free[part] -= len(family_rows)
            parts[part].append(family_rows[0])
    return {part: np.sort(np.array(chosen, np.int64)) for part, chosen in parts.items()}


def families(*kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) labels, equal where two rows agree in one of `kinds` ((n,) labels each), directly or by way of others."""
    n = len(kinds[0])
    label = np.arange(n)
    for kind in kinds:
        _, first, inverse = np.unique(kind, return_index=True, return_inverse=True)
        label = _joined(label, label, label[first[inverse]])
    return label


def same_picture(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n,) labels of `pixels` (n, 3, h, w), equal for pictures that look alike."""
    thumbnails = _thumbnails(pixels)
    squares = (thumbnails**2).sum(axis=1)
    limit = ALIKE**2 * thumbnails.shape[1]
    label = np.arange(len(pixels))
    for start in range(0, len(pixels), BLOCK):
        block = slice(start, start + BLOCK)
        distances = squares[block, None] + squares[start:] - 2 * thumbnails[block] @ thumbnails[start:].T
        one, other = np.nonzero(distances <= limit)
        label = _joined(label, label[start + one], label[start + other])
    return label


def _joined(label: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """`label` once the labels `one` and `other`, pair by pair, mean the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(label)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    return component[label].astype(np.int64)


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 3 * THUMBNAIL * THUMBNAIL) mean levels, from which 128 is taken so that squares stay small."""
    import torch

    pool = torch.nn.AdaptiveAvgPool2d(THUMBNAIL)
    blocks = [torch.from_numpy(pixels[at : at + BLOCK]).float() for at in range(0, len(pixels), BLOCK)]
    if not blocks:
        return np.empty((0, 3 * THUMBNAIL**2), np.float32)
    return torch.cat([pool(block).flatten(1) for block in blocks]).numpy() - 128
