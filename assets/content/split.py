"""Which (image, text) pairs a tower learns from, stops by and is scored on.

Variants of an item share its picture or its text. Where one of them is trained on, another that is held out scores
well though nothing was learned. So pairs that share either are one family, and a family stays on one side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from assets.content.settings import AdaptSettings
from models.columns import CONTENT_HASH

if TYPE_CHECKING:
    from numpy.typing import NDArray

Part = Literal["train", "validation", "holdout"]

PARTS: tuple[Part, ...] = ("holdout", "validation", "train")
"""In this order: a family of which one pair was in a later part before belongs to that part."""

PICTURE_HASH, TEXT_HASH, PART = "image_hash", "text_hash", "part"

THUMBNAIL = 8
"""Pixels a side at which pictures are compared."""

ALIKE = 2.0
"""Root mean square difference, in levels of 255, up to which two thumbnails are one picture.

Saving or resizing a picture again moves its thumbnail by 0.2 to 2; two different drawn posters lie 5 apart, two images
of noise 10.
"""

BLOCK = 256
"""Pictures that are compared with others at once."""


@dataclass(frozen=True)
class Split:
    """Attributes:
    rows: Of each part the pairs that are used: all of a family that is trained on, one of any other.
    family: (n,) labels of the pairs, equal within a family.
    part: (n,) the part of each pair's family, as its place in `PARTS`.
    """

    rows: dict[Part, NDArray[np.int64]]
    family: NDArray[np.int64]
    part: NDArray[np.int64]


def split(
    pairs: pl.DataFrame, pixels: NDArray[np.uint8], settings: AdaptSettings, earlier: pl.DataFrame | None = None
) -> Split:
    """Puts each family in a part.

    A family keeps the part that it had; of families that a new pair joins, the later in `PARTS` decides, so what was
    trained on is never held out. New families are drawn by a stable hash. One that is larger than what is still missing
    in a part is trained on. Of a family that is not trained on, one pair stands for all: the pairs of these parts are
    independent of each other.

    Args:
        pairs: One row per pair, each pair once: `content_hash` of the pair, `image_hash`, `text_hash`.
        pixels: (n, 3, h, w), the pictures of `pairs`.
        earlier: `image_hash`, `text_hash` and `part` of pairs that were split before.
    """
    family = families(same_picture(pixels), pairs[TEXT_HASH].rank("dense").to_numpy())
    rows = pairs.select(CONTENT_HASH).with_row_index("row")
    rows = rows.with_columns(pl.Series("family", family), _part_before(pairs, earlier).alias("before"))
    found = rows.sort(CONTENT_HASH).group_by("family", maintain_order=True).agg("row", pl.col("before").max())
    known_first = found.sort(pl.col("before").is_null(), maintain_order=True)
    free = [settings.holdout * len(pairs), settings.validation * len(pairs)]
    train = PARTS.index("train")
    part = np.full(len(pairs), train, np.int64)
    used: list[list[int]] = [[] for _ in PARTS]
    for members, before in known_first.select("row", "before").iter_rows():
        open_to = range(len(free)) if before is None else range(before, min(before + 1, len(free)))
        chosen = next((place for place in open_to if len(members) <= free[place]), train)
        part[members] = chosen
        used[chosen] += members if chosen == train else members[:1]
        if chosen != train:
            free[chosen] -= len(members)
    by_name = {name: np.sort(np.array(chosen, np.int64)) for name, chosen in zip(PARTS, used, strict=True)}
    return Split(by_name, family, part)


def _part_before(pairs: pl.DataFrame, earlier: pl.DataFrame | None) -> pl.Series:
    """(n,) place in `PARTS` of what had the pair's picture or its text before; null where nothing had."""
    if earlier is None:
        return pl.Series([None] * len(pairs), dtype=pl.UInt32)
    places = earlier.with_columns(pl.col(PART).cast(pl.Enum(PARTS)).to_physical())
    joined = pairs.select(PICTURE_HASH, TEXT_HASH)
    for shared in (PICTURE_HASH, TEXT_HASH):
        latest = places.group_by(shared).agg(pl.col(PART).max().alias(f"by {shared}"))
        joined = joined.join(latest, on=shared, how="left", maintain_order="left")
    return joined.select(pl.max_horizontal(f"by {PICTURE_HASH}", f"by {TEXT_HASH}")).to_series()


def families(*kinds: NDArray[np.int64]) -> NDArray[np.int64]:
    """(n,) labels, equal where two rows agree in one of `kinds` ((n,) labels each), directly or by way of others."""
    n = len(kinds[0])
    label = np.arange(n)
    for kind in kinds:
        _, first, inverse = np.unique(kind, return_index=True, return_inverse=True)
        label = _joined(label, label, label[first[inverse]])
    return label


def same_picture(pixels: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(n,) labels of `pixels` (n, 3, h, w), equal for pictures that look alike, directly or by way of others.

    Along one direction two thumbnails lie no further apart than they are, so sorted along the one in which pictures
    differ most, a picture is compared with its neighbours alone, and none is missed.
    """
    if len(pixels) == 0:
        return np.empty(0, np.int64)
    thumbnails = _thumbnails(pixels)
    along = thumbnails @ _main_direction(thumbnails)
    order = np.argsort(along, kind="stable")
    thumbnails, along = thumbnails[order], along[order]
    squares = (thumbnails**2).sum(axis=1)
    limit = ALIKE**2 * thumbnails.shape[1]
    reach = 1.01 * np.sqrt(limit)
    label = np.arange(len(pixels))
    for start in range(0, len(pixels), BLOCK):
        block = slice(start, start + BLOCK)
        near = slice(start, int(np.searchsorted(along, along[block][-1] + reach, side="right")))
        if (label[near] == label[start]).all():
            continue
        distances = squares[block, None] + squares[near] - 2 * thumbnails[block] @ thumbnails[near].T
        # What is joined already is left out: of thousands of equal pictures not every pair need be listed.
        one, other = np.nonzero((distances <= limit) & (label[block, None] != label[near]))
        label = _joined(label, label[start + one], label[start + other])
    found = np.empty_like(label)
    found[order] = label
    return found


def _main_direction(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """(d,) the unit vector along which the `points` (n, d) vary most."""
    _, directions = np.linalg.eigh(np.cov(points, rowvar=False, bias=True))
    return directions[:, -1].astype(np.float32)


def _joined(label: NDArray[np.int64], one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """`label` once the labels `one` and `other`, pair by pair, mean the same."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(label)
    graph = coo_array((np.ones(len(one), np.bool_), (one, other)), shape=(n, n))
    _, component = connected_components(graph, directed=False)
    return component[label].astype(np.int64)


def _thumbnails(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(n, 3 * THUMBNAIL * THUMBNAIL) mean levels, from which 128 is taken so that squares stay small."""
    import torch

    pool = torch.nn.AdaptiveAvgPool2d(THUMBNAIL)
    blocks = [torch.from_numpy(pixels[at : at + BLOCK]).float() for at in range(0, len(pixels), BLOCK)]
    return torch.cat([pool(block).flatten(1) for block in blocks]).numpy() - 128
