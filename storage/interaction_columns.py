"""The columns of interactions as bucket files hold them: each one's type, and how several events become one value.

Whoever reads, writes, encodes or folds interactions goes by this list, so a new column of the contract is described
here, and `assets.sequences.encode` says where its values come from. The columns that a profile declares follow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import polars as pl

from models.columns import ACTIONS, SURFACE, SURFACES, TIMESTAMP, VALUE, VALUES
from models.declared import DeclaredColumn, DeclaredColumns

Fold = Literal["Key", "Earliest", "Latest", "Union", "Smallest", "Largest", "FirstName"]
"""What becomes of the values of one interaction's events. No rule asks in which order they come.

Key: all are equal; Earliest, Latest: of times and places; Union: of bits; Smallest, Largest: of numbers that are there;
FirstName: of the codes of categories, the one whose name is first in the alphabet.
"""

NO_CATEGORY = -1
MOST_CATEGORIES = 2**15


@dataclass(frozen=True)
class StoredColumn:
    """A column of interactions on disk.

    Attributes:
        listed: Name of the list column that readers of whole users get it as; empty: it is not among those.
    """

    name: str
    dtype: np.dtype[Any]
    fold: Fold
    listed: str = ""

    @property
    def is_category(self) -> bool:
        """Whether it holds codes of names."""
        return self.fold == "FirstName"

    @property
    def element(self) -> pl.DataType:
        """Type of an element of the list column."""
        if self.is_category:
            return pl.String()
        return pl.Float32() if self.dtype == np.float32 else pl.Int32()


CONTRACT_COLUMNS = (
    StoredColumn("item_row", np.dtype(np.int32), "Key"),
    StoredColumn("started", np.dtype(np.int64), "Earliest"),
    StoredColumn(TIMESTAMP, np.dtype(np.int64), "Latest"),
    StoredColumn(ACTIONS, np.dtype(np.int32), "Union", ACTIONS),
    StoredColumn(VALUE, np.dtype(np.float32), "Largest", VALUES),
    StoredColumn(SURFACE, np.dtype(np.int16), "FirstName", SURFACES),
    StoredColumn("request_group", np.dtype(np.int64), "Key"),
    StoredColumn("arrival", np.dtype(np.int64), "Earliest"),
)
"""What every interaction has.

item_row: Row in `item_rows`, 1 or more.
started: Epoch milliseconds of the interaction's first action.
timestamp: Epoch milliseconds of its last action.
actions: Bit mask of actions.
value: Largest value, NaN where there was none.
surface: Position in the names of surfaces, -1 where there was none.
request_group: Hash of the request, or without one the moment; a request may be several interactions with one item.
arrival: Order of arrival of the interaction's first event; decides between equal timestamps.
"""


def stored_columns(declared: DeclaredColumns) -> Sequence[StoredColumn]:
    """The contract's columns and, by name, the declared ones: numbers, NaN where there are none, and codes of names."""
    return [*CONTRACT_COLUMNS, *(_stored(name, declared[name]) for name in sorted(declared))]


def _stored(name: str, column: DeclaredColumn) -> StoredColumn:
    if column.type == "category":
        return StoredColumn(name, np.dtype(np.int16), "FirstName", name)
    return StoredColumn(name, np.dtype(np.float32), "Smallest" if column.known == "request" else "Largest", name)
