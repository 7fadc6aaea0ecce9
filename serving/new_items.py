"""Items that came after a version was trained, as the lake's table `new_item_vectors` has them."""

import polars as pl
import torch

from models.artifact import Artifact
from models.columns import ITEM_ID, VERSION
from models.new_items import NewItems, NewItemsError
from storage.vectors import to_matrix


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
    try:
        return NewItems(rows[ITEM_ID], {name: torch.tensor(to_matrix(rows[name])) for name in names})
    except ValueError as error:
        raise NewItemsError(
            f"items that came after version {artifact.version}, {error}: materialize `new_item_vectors`"
        ) from error
