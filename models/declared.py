"""Columns of events that a profile declares beside the data contract's."""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from models.known import Known
from models.strict import Strict


class DeclaredColumn(Strict):
    """One such column: when its value is known, and what it is."""

    known: Known = Field(description="request: when the recommendation is asked for; outcome: after the action.")
    type: Literal["category", "number"] = Field(description="category: one of some names; number: a 32-bit float.")


DeclaredColumns = Mapping[str, DeclaredColumn]
"""By their names; their order says nothing."""

NO_COLUMNS: DeclaredColumns = {}
