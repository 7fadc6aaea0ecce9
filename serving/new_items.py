"""Items that came after a version was trained, as the lake's table `new_item_vectors` has them."""

import numpy as np
import polars as pl
import torch
from torch import Tensor

from models.artifact import Artifact
from models.columns import ITEM_ID, VERSION
from models.new_items import NewItems, NewItemsError


def read_new_items(table: pl.LazyFrame, artifact: Artifact) -> NewItems:
    """Those of a version, in the order of their ids; none where the table is of other versions, or its family keeps no
    vectors.

    Args:
        table: Rows of several versions.

    Raises:
        NewItemsError: the rows are not what the table's contract says.
    """
    names = [name for name in artifact.family.vectors if name in table.collect_schema()]
    rows = table.filter(pl.col(VERSION) == artifact.version).select(ITEM_ID, *names).sort(ITEM_ID).collect()
    return NewItems(rows[ITEM_ID], {name: _matrix(rows[name], artifact.version) for name in names})


def _matrix(vectors: pl.Series, version: str) -> Tensor:
    """(k, d) float32 of a column of lists."""
    lengths = vectors.list.len()
    if vectors.null_count() or lengths.n_unique() > 1:
        raise NewItemsError(
            f"vectors of items that came after version {version} differ in length: materialize `new_item_vectors`"
        )
    width = int(lengths[0]) if len(lengths) else 0
    flat = vectors.explode(empty_as_null=False).to_numpy() if len(lengths) else np.empty(0)
    return torch.from_numpy(flat.astype(np.float32).reshape(len(lengths), width))
