"""Embeddings of names that items share: their categories, and tags such as their director."""

import time
from dataclasses import replace

import numpy as np
import polars as pl
from scipy.sparse import csr_matrix

from assets.content.directions import directions
from assets.content.incremental import Embedded, assemble, content_hash, no_vectors
from models.columns import CONTENT_HASH, ITEM_ID, TAGS, VECTOR
from storage.vectors import Matrix, normalised, to_series

CATEGORIES_WIDTH, TAGS_WIDTH = 64, 256
"""Of the widths tried by `genrec bench cold` 256 did better than 512, and better than the main directions of all names;
names weighed by their rarity did worse (validation, one seed)."""

NAMES_AT_ONCE = 65_536


def tag_encoder_key(items: pl.DataFrame, column: str, width: int) -> str:
    """Names what the dimensions of the vectors mean: equal keys, equal meaning.

    What names are of (`director` in `director=Agnès Varda`) is a part of it: of another column, they are other names.
    """
    if column != TAGS:
        return f"{column}:signs:{width}"
    of = items.select(pl.col(TAGS).explode().str.extract("^([^=]*)=").drop_nulls().unique().sort())
    return f"{TAGS}:{','.join(of.to_series())}:signs:{width}"


def tag_table(items: pl.LazyFrame, column: str, width: int) -> Embedded:
    """The embeddings of a `column` of lists of names; which names count depends on all items, so all are made anew."""
    started = time.perf_counter()
    names = items.select(ITEM_ID, pl.col(column).list.drop_nulls().list.unique().list.sort()).collect()
    key = tag_encoder_key(names, column, width)
    vectors = tag_vectors(names[column], width)
    told = pl.when(pl.Series(vectors.any(axis=1))).then(_told(column)).alias(column)
    hashed = names.with_columns(told).with_columns(content_hash(key, column))
    # Equal names, equal vectors: one of each is enough.
    new = hashed.with_columns(to_series(vectors, VECTOR)).drop_nulls(CONTENT_HASH).unique(CONTENT_HASH)
    return replace(assemble(hashed, no_vectors(), new, time.perf_counter() - started), encoder=key)


def _told(column: str) -> pl.Expr:
    """The names in one text, quoted: whatever is in a name, two lists of names never look alike."""
    quoted = pl.element().str.replace_all("\\", "\\\\", literal=True).str.replace_all("\n", "\\n", literal=True)
    return pl.col(column).list.eval(quoted).list.join("\n")


def tag_vectors(names: pl.Series, width: int) -> Matrix:
    """(n, width) float32 of length 1: the sum of the directions of an item's names.

    Zeros where it has none that another item has, too: such a name tells of no other.

    Args:
        names: (n,) lists of different texts.
        width: A multiple of 64.
    """
    rows = pl.DataFrame({"row": np.arange(len(names)), "name": names}).explode("name").drop_nulls()
    counts = rows.group_by("name").len("count").filter(pl.col("count") > 1).sort("name")
    total = np.zeros((len(names), width), np.float32)
    for start in range(0, counts.height, NAMES_AT_ONCE):
        some = counts.slice(start, NAMES_AT_ONCE).with_row_index("column")
        found = rows.join(some, on="name")
        places = (found["row"].to_numpy(), found["column"].to_numpy())
        member = csr_matrix((np.ones(found.height, np.float32), places), (len(names), some.height))
        total += member @ directions(some["name"], width)
    return normalised(total)
