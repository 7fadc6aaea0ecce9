"""Vectors of two releases in one space (Zielnicki and Hsiao, arXiv 2508.07574; Netflix spec section 9).

Of item vectors T (t, e) and user vectors W (w, e) only the products T W^T mean anything: any invertible change of basis
leaves them as they are, and every training ends in another basis. So both get a basis that follows from the products
alone, and are then turned towards the vectors of the release before. Everything is float64 and (e, e), however many
items and users there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

LEAST_SHARE = 1e-6
"""Of the longest direction of some vectors: what is shorter is a rounding error of float32 vectors, not a direction."""


class RankDeficient(ValueError):
    """Vectors do not fill their space, so that no basis of it follows from them; the message says which."""


@dataclass(frozen=True)
class Maps:
    """What vectors are multiplied by from the right; the products of mapped vectors are those of the vectors.

    Attributes:
        items, users: (e, e) float64.
    """

    items: np.ndarray
    users: np.ndarray

    @classmethod
    def identity(cls, width: int) -> Maps:
        return cls(np.eye(width), np.eye(width))

    @property
    def width(self) -> int:
        return len(self.items)

    def turned(self, rotation: np.ndarray) -> Maps:
        """With an orthogonal matrix behind both."""
        return Maps(self.items @ rotation, self.users @ rotation)


def mapped(vectors: np.ndarray, by: np.ndarray, rows: int = 65_536) -> Iterator[np.ndarray]:
    """`vectors` (n, e) times `by` (e, e) in float64, some rows at a time."""
    for start in range(0, len(vectors), rows):
        yield vectors[start : start + rows].astype(np.float64) @ by


def gram(blocks: Iterable[np.ndarray], width: int) -> np.ndarray:
    """(width, width) float64 X^T X of vectors X that come in blocks of rows."""
    total = np.zeros((width, width))
    for block in blocks:
        rows = block.astype(np.float64)
        total += rows.T @ rows
    return total


def canonical(items: np.ndarray, users: np.ndarray) -> Maps:
    """The maps into the basis in which both have the same second moments, diagonal and descending.

    It follows from the products up to the signs of its directions (Step 1).

    Args:
        items, users: (e, e) Gram matrices.

    Raises:
        RankDeficient: the items or the users do not fill the space.
    """
    of_items, of_users = _root(items, "item"), _root(users, "user")
    _, sizes, rows = np.linalg.svd(of_items @ of_users.T)
    mapped = of_users.T @ rows.T / np.sqrt(sizes)
    # R_T^T U S^(-1/2) is the same; so the products keep as they are even where the roots are not exact.
    return Maps(mapped, np.linalg.inv(mapped).T)


def rotation(vectors: Iterable[np.ndarray], reference: Iterable[np.ndarray]) -> np.ndarray:
    """The orthogonal (e, e) matrix that brings rows closest to those of a reference (Step 2).

    Args:
        vectors, reference: Float64 in blocks of as many rows each.

    Raises:
        RankDeficient: the rows do not fill the space, so that more than one does.
    """
    moment = sum(ours.T @ theirs for ours, theirs in zip(vectors, reference, strict=True))
    if not isinstance(moment, np.ndarray):
        raise RankDeficient("there are no common items")
    left, sizes, right = np.linalg.svd(moment)
    if not sizes[-1] > LEAST_SHARE**2 * sizes[0]:
        raise RankDeficient(f"the common items do not fill the {len(moment)} dimensions")
    turned: np.ndarray = left @ right
    return turned


def mean_cosine(vectors: Iterable[np.ndarray], reference: Iterable[np.ndarray]) -> float:
    """Mean cosine of the rows of both, in blocks as in `rotation`; that of a row of zeros is 0."""
    total = count = 0.0
    for ours, theirs in zip(vectors, reference, strict=True):
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
        products = np.einsum("ij,ij->i", ours, theirs)
        total += np.divide(products, lengths, out=np.zeros_like(products), where=lengths > 0).sum()
        count += len(ours)
    return float(total / count)


def change_of_scores(items: np.ndarray, users: np.ndarray, maps: Maps, dtype: type = np.float32) -> float:
    """The largest change of a product that mapping makes, in parts of the largest product; 0 without any.

    Args:
        items, users: (t, e) and (w, e).
        dtype: What mapped vectors are kept in.
    """
    if not (len(items) and len(users)):
        return 0.0
    before = items.astype(np.float64) @ users.astype(np.float64).T
    mapped = [
        (vectors.astype(np.float64) @ by).astype(dtype).astype(np.float64)
        for vectors, by in ((items, maps.items), (users, maps.users))
    ]
    change, largest = np.abs(mapped[0] @ mapped[1].T - before).max(), np.abs(before).max()
    return float(change / largest) if largest else float(change)


def _root(matrix: np.ndarray, what: str) -> np.ndarray:
    """(e, e) R with R^T R = `matrix`, as the QR of the vectors gives it."""
    sizes = np.linalg.eigvalsh(matrix)
    if not sizes[0] > LEAST_SHARE**2 * sizes[-1]:
        filled = int((sizes > LEAST_SHARE**2 * max(sizes[-1], 0)).sum())
        raise RankDeficient(f"the {what} vectors fill {filled} of {len(matrix)} dimensions")
    return np.linalg.cholesky(matrix).T
