"""Vectors between NumPy matrices and Polars list columns."""

import numpy as np
import polars as pl

VECTORS = pl.List(pl.Float32())

Matrix = np.ndarray[tuple[int, int], np.dtype[np.float32]]


def to_series(matrix: Matrix, name: str) -> pl.Series:
    """One float32 list per row of `matrix` (n, d)."""
    if matrix.size == 0:
        return pl.Series(name, [[] for _ in matrix], VECTORS)
    return pl.Series(name, np.ascontiguousarray(matrix, np.float32)).cast(VECTORS)


def to_matrix(vectors: pl.Series) -> Matrix:
    """The (n, d) float32 matrix of a column of lists; (0, 0) where there are none.

    Raises:
        ValueError: a list is missing, or they differ in length; the message begins with the column.
    """
    if missing := vectors.null_count():
        raise ValueError(f"column {vectors.name}: {missing} of {len(vectors)} vectors are missing; make them again")
    lengths = vectors.list.len().unique().sort().to_list()
    if len(lengths) > 1:
        raise ValueError(f"column {vectors.name}: vectors of {lengths} dimensions in one table; make them again")
    values = vectors.explode(empty_as_null=False).to_numpy() if vectors.len() else np.empty(0)
    return values.astype(np.float32, copy=False).reshape(vectors.len(), -1 if values.size else 0)


def normalised(matrix: Matrix) -> Matrix:
    """`matrix` with rows of length 1; rows of zeros stay zeros."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.where(lengths > 0, lengths, 1)).astype(np.float32)
